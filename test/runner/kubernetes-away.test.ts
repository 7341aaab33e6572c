import { expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesRunner } from '../../src/runner/kubernetes.js';
import { aLaunch, aScript, listJobs, never } from '../contract/runner-jobs.js';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import { toSettings } from './kubernetes-harness.js';

test('a cluster that does not answer is reported, fails no session, and is retried', async () => {
  const config = new KubeConfig();
  const server = `http://127.0.0.1:${await findFreePort()}`;
  config.loadFromClusterAndUser({ name: 'c', server, skipTLSVerify: true }, { name: 'u' });
  const breaks: string[] = [];
  const runner = createKubernetesRunner({
    config,
    namespace: 'n',
    deploymentId: 'd',
    settings: toSettings(),
    gitProtocols: 'https',
    jobSource: process.cwd(),
    jobTtlSeconds: 0,
    logger: { warn: (_, message) => breaks.push(message) },
  });
  const given = aLaunch([aScript('one', 'true')]);
  const waiting = runner.awaitPhase(given.job.jobId, 'one', never);
  waiting.catch(() => undefined);
  // Without a reason, so that it is retried for as long as necessary.
  const away = {
    fault: 'unavailable',
    reason: undefined,
    message: expect.stringContaining('ECONNREFUSED'),
  };
  await expect(runner.prepare(given, never)).rejects.toMatchObject(away);
  await expect(listJobs(runner)).rejects.toMatchObject(away);
  await waitFor(() => breaks.filter((text) => text.includes('pods')).length >= 3, {
    what: 'the watch to be begun again',
  });
  runner.close();
  await expect(waiting).rejects.toThrow('The watch was closed.');
});
