import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BatchV1Api } from '@kubernetes/client-node';
import {
  startApiServerProxy,
  type ApiCall,
  type ApiServerProxy,
} from '../../scripts/lib/api-server-proxy.mjs';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { describeCluster, loadConfig } from '../runner/kubernetes-harness.js';
import { CONFIGURATION, createKillSite, PHASES, type KillSite } from '../support/kill-site.js';
import { waitFor } from '../support/wait.js';
import { openKubernetesSite, type KubernetesSite } from './kubernetes-site.js';

const MINUTES = 60_000;
/** One phase of each kind. The last playbook runs in the main container. */
const HELD = PHASES.filter((phase) => phase !== 'git-clone-1');
/** The phases of a session with one layer. */
const SHORT = ['git-clone-0', 'git-clone-hosts', 'inventory', 'ansible-0'];
/** The program that starts the API server again. Set by `.ci/run`. */
const program = process.env['KEELSON_CLUSTER'];

describeCluster('a session on Kubernetes', () => {
  let proxy: ApiServerProxy;
  let site: KubernetesSite;
  let held: KillSite;
  let directory: string;
  beforeAll(async () => {
    proxy = await startApiServerProxy(loadConfig());
    directory = mkdtempSync(join(tmpdir(), 'keelson-proxy-'));
    const kubeconfig = join(directory, 'kubeconfig');
    writeFileSync(kubeconfig, proxy.kubeconfig);
    site = await openKubernetesSite({ KUBECONFIG: kubeconfig });
    held = await createKillSite(site, { isApart: true });
  });
  afterAll(async () => {
    await held.close();
    await site.close();
    await proxy.close();
    rmSync(directory, { recursive: true });
  });

  /** How a session ended; compare it with `untouched()`. */
  const readVerdict = async (name: string) => {
    const { succeeded, reason } = await site.whenComplete(name);
    const phases = (await site.phases(name)).filter(({ name: phase }) => phase !== 'teardown');
    const differing: string[] = [];
    for (const phase of PHASES) {
      // A phase that never began has no container log, and at most what the worker noted for it.
      const printed = await site.podLog(name, phase).catch(() => undefined);
      if (printed !== undefined && printed !== (await site.log(name, phase))) differing.push(phase);
    }
    return {
      succeeded,
      reason,
      phases: phases.map((phase) => `${phase.name} ${phase.exit_code}`),
      runs: held.runs(name),
      jobs: await countJobs(name),
      differing,
    };
  };
  const untouched = (names: readonly string[] = PHASES) => ({
    succeeded: 'true',
    reason: null,
    phases: names.map((phase) => `${phase} 0`),
    runs: site.hosts.flatMap(({ name }) =>
      names.filter((phase) => phase.startsWith('ansible')).map((phase) => `${name} ${phase}`),
    ),
    jobs: 1,
    differing: [],
  });
  const countJobs = async (name: string) => {
    const batch = site.config.makeApiClient(BatchV1Api);
    const { items } = await batch.listNamespacedJob({ namespace: site.namespace });
    return items.filter(({ metadata }) => metadata?.name?.startsWith(`cfs-${name}-`)).length;
  };
  const expectNoSecrets = () =>
    waitFor(async () => (await site.countSecrets()) === 0, {
      what: 'the Secrets to go',
    });

  test(
    'continues after a worker was killed in any of its phases',
    async () => {
      await Promise.all(HELD.map((phase) => held.submit(`in-${phase}`, phase)));
      await Promise.all(HELD.map((phase) => held.whenHeld(`in-${phase}`, phase)));
      await site.worker.kill();
      for (const phase of HELD) held.release(`in-${phase}`, phase);
      await site.worker.start();
      for (const phase of HELD)
        expect([phase, await readVerdict(`in-${phase}`)]).toEqual([phase, untouched()]);
      await expectNoSecrets();
    },
    8 * MINUTES,
  );

  test(
    'ends in any of its phases if it is cancelled',
    async () => {
      await Promise.all(HELD.map((phase) => held.submit(`not-${phase}`, phase)));
      await Promise.all(HELD.map((phase) => held.whenHeld(`not-${phase}`, phase)));
      const cancel = (phase: string) => site.ask('POST', `/v3/sessions/not-${phase}/cancel`, {});
      const answers = await Promise.all(HELD.map(cancel));
      expect(answers.map(({ status }) => status)).toEqual(HELD.map(() => 202));
      for (const phase of HELD) {
        expect(await site.whenComplete(`not-${phase}`)).toMatchObject({
          succeeded: 'false',
          reason: 'CANCELLED',
          phase,
        });
        const verdict = await readVerdict(`not-${phase}`);
        expect([phase, verdict.differing, verdict.jobs]).toEqual([phase, [], 1]);
        const begun = PHASES.slice(0, PHASES.indexOf(phase) + 1);
        expect(verdict.runs).toEqual(
          untouched().runs.filter((run) => begun.some((each) => run.endsWith(` ${each}`))),
        );
        held.release(`not-${phase}`, phase);
      }
      await expectNoSecrets();
    },
    8 * MINUTES,
  );

  test(
    'is launched once if a worker is killed between any two calls of the launch',
    async () => {
      const nth = (name: string, method: string, kind: string, count = 1) => {
        let seen = 0;
        return (call: ApiCall) =>
          call.method === method &&
          call.kind === kind &&
          call.about.includes(`cfs-${name}-`) &&
          (seen += 1) === count;
      };
      const holds = {
        unmade: ['before', 'POST', 'jobs', 1],
        made: ['after', 'POST', 'jobs', 1],
        secret: ['after', 'POST', 'secrets', 1],
        secrets: ['after', 'POST', 'secrets', 2],
        unreleased: ['before', 'PATCH', 'jobs', 1],
        released: ['after', 'PATCH', 'jobs', 1],
      } as const;
      const names = Object.keys(holds);
      const whenHeld = Object.entries(holds).map(([name, [when, method, kind, count]]) =>
        proxy.hold({ when, isMeant: nth(name, method, kind, count) }),
      );
      const { body } = await site.ask('GET', `/v3/configurations/${CONFIGURATION}`);
      const { layers, additional_inventory } = body as Record<string, readonly object[]>;
      await site.ask('PUT', '/v3/configurations/short', {
        layers: layers?.slice(0, 1),
        additional_inventory,
      });
      for (const name of names) await site.submit(name, { configuration_name: 'short' });
      await Promise.all(whenHeld);
      await site.worker.kill();
      await site.worker.start();
      for (const name of names)
        expect([name, await readVerdict(name)]).toEqual([name, untouched(SHORT)]);
      await expectNoSecrets();
    },
    8 * MINUTES,
  );

  (program === undefined ? test.skip : test)(
    'continues after the API server was killed during a playbook and started again',
    async () => {
      await held.submit('restarted', 'ansible-0');
      await held.whenHeld('restarted', 'ansible-0');
      const { port } = new URL(site.config.getCurrentCluster()?.server ?? '');
      for (const pid of findProcesses({ texts: [`--secure-port\0${port}\0`] }))
        process.kill(pid, 'SIGKILL');
      held.release('restarted', 'ansible-0');
      const { stderr } = await promisify(execFile)(program ?? '', ['up']);
      expect(stderr).toContain('starting kube-apiserver');
      expect(await readVerdict('restarted')).toEqual(untouched());
      await expectNoSecrets();
    },
    8 * MINUTES,
  );
});
