import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createClient, waitForEnd } from './demo/client.mjs';
import { createInterrupt } from './demo/interrupt.mjs';
import { dim, green, printTitle, red } from './demo/print.mjs';
import { printHints, printOutcome } from './demo/report.mjs';
import { startService } from './demo/service.mjs';
import { HOSTS, createSite, findMissing } from './demo/site.mjs';
import { removeDemo } from './demo/removal.mjs';
import { readOptions } from './lib/options.mjs';

const HELP = `npm run demo -- [options]

Runs a real session on this machine from start to end: two SSH hosts, three git repositories, two playbooks.

  --fail         let the second layer fail on one host (exit code 1)
  --keep         leave everything running, and say how to look at it and how to stop it
  --stop <dir>   stop what --keep has left running

Exit codes: 0 as expected, 1 the session failed, 2 something else went wrong.`;

const NAME = 'demo';
const PREFIX = 'keelson-demo-';
const KNOWN = /** @type {const} */ ({
  fail: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  stop: { type: 'string' },
});
const options = readOptions(HELP, KNOWN, 2);

/** @param {string} directory @param {AbortSignal} signal */
async function runDemo(directory, signal) {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  const site = await createSite(directory, { outlives: options.keep });
  for (const host of site.hosts) console.log(`SSH host      ${host.name} at ${host.address}`);
  console.log('Service       is starting …');
  const service = await startService(directory, site, signal);
  console.log(`Service       ${service.api}, ready after ${seconds()}`);
  const client = createClient(service.api, signal);
  await client.put(`/v3/configurations/${NAME}`, toConfiguration(site));
  console.log(`Configuration ${NAME}: layers base and services, additional inventory hosts`);
  await client.post('/v3/sessions', { name: NAME, configuration_name: NAME });
  console.log(`Session       ${NAME} is posted. Its log, live:\n`);
  await client.followLines(`/v3/sessions/${NAME}/logs?follow=true`, (line) => {
    console.log(`  ${dim('|')} ${line}`);
  });
  const session = await waitForEnd(client, NAME, signal);
  await printOutcome(client, session, directory);
  const succeeded = session.status.session.succeeded === 'true';
  const code = options.fail ? judgeFailure(session) : judgeSuccess(succeeded, site);
  printHints({ ...options, directory, service, session: NAME, job: session.status.session.job });
  console.log(`\n${code === 0 ? green('Success') : red('Failure')} after ${seconds()}.`);
  return code;
}

/** @param {Awaited<ReturnType<typeof createSite>>} site */
function toConfiguration({ base, services, inventory }) {
  const playbook = options.fail ? 'broken.yml' : 'site.yml';
  return {
    layers: [
      { name: 'base', clone_url: base.url, branch: 'main', playbook: 'site.yml' },
      { name: 'services', clone_url: services.url, branch: 'main', playbook },
    ],
    additional_inventory: { name: 'hosts', clone_url: inventory.url, branch: 'main' },
  };
}

/** @param {boolean} succeeded @param {Awaited<ReturnType<typeof createSite>>} site */
function judgeSuccess(succeeded, site) {
  const missing = findMissing(site.hosts, NAME);
  printTitle('Files on the hosts');
  for (const one of missing) console.log(`  ${red(one)}`);
  if (missing.length === 0) console.log('  motd, node-service.conf and log/configured are on both');
  return succeeded && missing.length === 0 ? 0 : 1;
}

/** Whether a session that was meant to fail failed for the intended reason. @param {any} session */
function judgeFailure(session) {
  const { succeeded, reason, phase, host } = session.status.session;
  const expected = ['false', 'TASK_FAILED', 'ansible-1', HOSTS[1]];
  return [succeeded, reason, phase, host].every((value, i) => value === expected[i]) ? 1 : 2;
}

async function main() {
  if (options.stop !== undefined) return stopDemo(options.stop);
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  const interrupt = createInterrupt();
  try {
    const code = await runDemo(directory, interrupt.signal);
    if (!options.keep) await removeDemo(directory);
    return code;
  } catch (error) {
    const reason = interrupt.signal.reason ?? error;
    console.error(red(`\n${reason.message}${interrupt.signal.aborted ? ' Cleaning up.' : ''}`));
    await removeDemo(directory);
    return interrupt.signal.aborted ? 130 : 2;
  }
}

/** @param {string} directory */
async function stopDemo(directory) {
  if (!basename(directory).startsWith(PREFIX) || !existsSync(join(directory, 'data'))) {
    console.error(`${directory} is not the directory of a demo.`);
    return 2;
  }
  await removeDemo(directory);
  console.log('Everything of the demo is stopped and removed.');
  return 0;
}

process.exitCode = await main();
