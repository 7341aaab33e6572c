import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { holdSteps, type Step } from '../support/kill-steps.js';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite({});
  const playbook = renderPlaybook(writes('ran', "{{ lookup('env', 'SESSION_NAME') }}"));
  await site.configure('plain', [site.layer({ 'site.yml': playbook })]);
});
afterAll(() => site.close());

const STEPS: readonly Step[] = ['claimSession', 'launchJob'];

const WAYS = ['api', 'signal', 'native'] as const;
type Way = (typeof WAYS)[number];

async function findWorkflow(name: string): Promise<WorkflowHandle> {
  const client = await site.temporalClient();
  const listed = await waitFor(
    async () => {
      for await (const { workflowId } of client.workflow.list({
        query: `SessionName = "${name}"`,
      })) {
        return workflowId;
      }
      return undefined;
    },
    { what: 'the workflow to be listed' },
  );
  return client.workflow.getHandle(listed);
}

async function cancel(handle: WorkflowHandle, name: string, way: Way): Promise<void> {
  if (way === 'native') await handle.cancel();
  else if (way === 'signal') await handle.signal('cancel', { reason: 'by hand' });
  else expect((await site.ask('POST', `/v3/sessions/${name}/cancel`)).status).toBe(202);
}

describe.each(STEPS)('cancelled in %s', (step) => {
  test.each(WAYS)('by %s, nothing runs', async (way) => {
    const name = `${step.toLowerCase()}-${way}`;
    const hold = holdSteps(site, { [name]: step });
    await site.submit(name, { configuration_name: 'plain' });
    await hold.whenRefused();
    const handle = await findWorkflow(name);
    await cancel(handle, name, way);
    hold.allow();
    const ended = await site.whenOver(name);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'CANCELLED' });
    await waitFor(async () => (await handle.describe()).status.name !== 'RUNNING', {
      what: 'the workflow to end',
    });
    expect((await handle.describe()).status.name).toBe(
      way === 'native' ? 'CANCELLED' : 'COMPLETED',
    );
    for (const text of Object.values(site.made('ran'))) expect(text ?? '').not.toContain(name);
    await site.expectNothingLeft(handle.workflowId);
  });
});

test('cancelled when every phase has succeeded, a session has succeeded', async () => {
  const sessions: readonly { readonly name: string; readonly step: Step; readonly way: Way }[] = [
    { name: 'stopped', step: 'stopJob', way: 'native' },
    { name: 'tidied', step: 'removeStagedFiles', way: 'signal' },
    { name: 'recorded', step: 'recordOutcome', way: 'api' },
  ];
  const hold = holdSteps(site, Object.fromEntries(sessions.map(({ name, step }) => [name, step])));
  for (const { name } of sessions) await site.submit(name, { configuration_name: 'plain' });
  await hold.whenRefused();
  const handles = await Promise.all(
    sessions.map(async ({ name, way }) => {
      const handle = await findWorkflow(name);
      await cancel(handle, name, way);
      return handle;
    }),
  );
  hold.allow();
  for (const [index, { name }] of sessions.entries()) {
    const handle = handles[index];
    const ended = await site.whenOver(name);
    expect({ name, ...ended }).toMatchObject({ succeeded: 'true', reason: null, message: null });
    expect(await handle?.result()).toEqual({ outcome: 'succeeded' });
  }
});
