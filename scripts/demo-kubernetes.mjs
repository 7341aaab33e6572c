import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createClient, waitForEnd } from './demo/client.mjs';
import { NotPossible, openCluster } from './demo/cluster.mjs';
import { startGitServer } from './demo/git-server.mjs';
import { createInterrupt } from './demo/interrupt.mjs';
import { dim, green, printTitle, red } from './demo/print.mjs';
import { removeDemo } from './demo/removal.mjs';
import { printOutcome } from './demo/report.mjs';
import { startService } from './demo/service.mjs';
import { createSite, findMissing } from './demo/site.mjs';
import { readOptions } from './lib/options.mjs';

const HELP = `npm run demo:kubernetes

Runs a real session as a Job of the cluster that KUBECONFIG names. Service, hosts and repositories are processes of this
machine, which must be a node of that cluster; only jobs are pods. KEELSON_JOB_IMAGE is the image of jobs; default
localhost/keelson-job:test.

Exit codes: 0 as expected, 1 the session failed, 2 something else went wrong.`;

const NAME = 'demo';
const IMAGE = process.env.KEELSON_JOB_IMAGE || 'localhost/keelson-job:test';

/** @param {string} directory @param {AbortSignal} signal @param {(() => unknown)[]} undo called in reverse order */
async function runDemo(directory, signal, undo) {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  const cluster = await openCluster(IMAGE);
  undo.push(() => cluster.remove());
  const site = await createSite(directory, { outlives: false });
  await cluster.addKey(site.keyFile);
  console.log(`Namespace     ${cluster.namespace}, on ${cluster.node}, image ${IMAGE}`);
  const git = await startGitServer(join(directory, 'git'));
  undo.push(() => git.close());
  for (const host of site.hosts) console.log(`SSH host      ${host.name} at ${host.address}`);
  const environment = toEnvironment(directory, cluster);
  const service = await startService(directory, { ...site, environment }, signal);
  undo.push(() => removeDemo(directory));
  console.log(`Service       ${service.api}, ready after ${seconds()}`);
  const client = createClient(service.api, signal);
  await client.put(`/v3/configurations/${NAME}`, {
    layers: ['base', 'services'].map((name) => {
      return { name, clone_url: git.toUrl(name), branch: 'main', playbook: 'site.yml' };
    }),
    additional_inventory: { name: 'hosts', clone_url: git.toUrl('hosts'), branch: 'main' },
  });
  await client.post('/v3/sessions', { name: NAME, configuration_name: NAME });
  console.log(`Session       ${NAME} is posted. To watch it from another terminal:\n`);
  const kubectl = `kubectl -n ${cluster.namespace}`;
  console.log(`  ${kubectl} get pods,jobs -l cfsession=${NAME}`);
  console.log(`  ${kubectl} logs -l cfsession=${NAME} -c ansible-0 -f\n`);
  console.log('Its log, live:\n');
  await client.followLines(`/v3/sessions/${NAME}/logs?follow=true`, (line) => {
    console.log(`  ${dim('|')} ${line}`);
  });
  const session = await waitForEnd(client, NAME, signal);
  await cluster.printPod(NAME);
  await printOutcome(client, session, directory);
  const missing = findMissing(site.hosts, NAME);
  printTitle('Files on the hosts');
  for (const one of missing) console.log(`  ${red(one)}`);
  if (missing.length === 0) console.log('  motd, node-service.conf and log/configured are on both');
  const isRight = session.status.session.succeeded === 'true' && missing.length === 0;
  console.log(`\n${isRight ? green('Success') : red('Failure')} after ${seconds()}.`);
  return isRight ? 0 : 1;
}

/** @param {string} directory @param {{ namespace: string, node: string }} cluster */
function toEnvironment(directory, { namespace, node }) {
  const file = join(directory, 'settings.yaml');
  const settings = {
    image: IMAGE,
    hostNetwork: true,
    dnsPolicy: 'Default',
    nodeSelector: { 'kubernetes.io/hostname': node },
    resources: { ansible: {} },
    sshPrivateKey: { name: 'hosts' },
  };
  writeFileSync(file, stringify(settings));
  return {
    RUNNER: 'kubernetes',
    KUBERNETES_SETTINGS_FILE: file,
    KUBERNETES_NAMESPACE: namespace,
    GIT_ALLOW_PROTOCOL: 'http',
  };
}

async function main() {
  readOptions(HELP, {}, 2);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-demo-'));
  const interrupt = createInterrupt();
  /** @type {(() => unknown)[]} */
  const undo = [() => removeDemo(directory)];
  try {
    return await runDemo(directory, interrupt.signal, undo);
  } catch (error) {
    const reason = interrupt.signal.reason ?? error;
    const message = reason instanceof NotPossible ? reason.message : `\n${reason.message}`;
    console.error(red(message));
    return interrupt.signal.aborted ? 130 : 2;
  } finally {
    for (const act of undo.reverse()) await act();
  }
}

process.exitCode = await main();
