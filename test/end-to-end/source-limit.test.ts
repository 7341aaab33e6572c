import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, fromPayloadsAtIndex } from '@temporalio/common';
import { startCluster, type Cluster } from '../support/cluster.js';
import { waitFor } from '../support/wait.js';
import { startSilentServer, type SilentServer } from './silent-server.js';

let cluster: Cluster;
let server: SilentServer;
beforeAll(async () => {
  server = await startSilentServer();
  cluster = await startCluster({
    hosts: [],
    environment: { HSM_URL: server.url, INVENTORY_FILE: '', SSH_PRIVATE_KEY_FILE: '' },
  });
});
afterAll(async () => {
  await cluster.close();
  await server.close();
});

interface Attempt {
  readonly attempt: number;
  /** How much of the source's limit is used up, by the last heartbeat that arrived. */
  readonly usedMs: number;
}

async function readAttempt(jobId: string): Promise<Attempt | undefined> {
  const client = await cluster.temporalClient();
  const { raw } = await client.workflow.getHandle(jobId).describe();
  const step = raw.pendingActivities?.find(
    ({ activityType }) => activityType?.name === 'stageInventory',
  );
  if (step === undefined) return undefined;
  const details = fromPayloadsAtIndex<{ usedMs?: number } | undefined>(
    defaultPayloadConverter,
    0,
    step.heartbeatDetails?.payloads,
  );
  return { attempt: step.attempt ?? 0, usedMs: details?.usedMs ?? 0 };
}

const whenAttempt = (jobId: string, is: (attempt: Attempt) => boolean, what: string) =>
  waitFor(
    async () => {
      const attempt = await readAttempt(jobId);
      return attempt !== undefined && is(attempt) ? attempt : undefined;
    },
    { what },
  );

describe('a worker that is killed while it waits for a source', () => {
  test('uses up of the limit what its last heartbeat reported, and nothing more until there is another', async () => {
    await cluster.ask('PUT', '/v3/configurations/empty', { layers: [] });
    await cluster.submit('waiting', { configuration_name: 'empty' });
    const job = await waitFor(async () => (await cluster.find('waiting')).status.session.job, {
      what: 'the claim',
    });
    const first = await whenAttempt(job, ({ usedMs }) => usedMs >= 1000, 'a beat that tells time');
    await cluster.worker.kill();
    const absent = await whenAttempt(job, ({ attempt }) => attempt > first.attempt, 'the time-out');
    const startedAt = Date.now();
    await cluster.worker.start();
    const second = await whenAttempt(job, ({ usedMs }) => usedMs > absent.usedMs, 'another beat');
    expect(absent.usedMs).toBeGreaterThanOrEqual(first.usedMs);
    expect(second.usedMs - absent.usedMs).toBeLessThanOrEqual(Date.now() - startedAt);
    await cluster.ask('DELETE', '/v3/sessions/waiting');
  });
});
