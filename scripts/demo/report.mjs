import { dim, formatDuration, green, printTable, printTitle, red } from './print.mjs';
import { writeCrayConfiguration } from './site.mjs';

/**
 * How the session ended: its phases, its hosts, and why.
 * @param {ReturnType<typeof import('./client.mjs').createClient>} client @param {any} session
 * @param {string} directory left out of the addresses of repositories
 */
export async function printOutcome(client, session, directory) {
  const { name } = session;
  const { phases } = await client.get(`/v3/sessions/${name}/phases`);
  printTitle('Phases');
  printTable(
    ['phase', 'ended', 'duration', 'log bytes'],
    phases.map((/** @type {any} */ phase) => [
      phase.title.replace(`file://${directory}/git/`, ''),
      describeResult(phase),
      formatDuration(phase.start_time, phase.completion_time),
      phase.log_bytes,
    ]),
  );
  const { hosts } = await client.get(`/v3/sessions/${name}/hosts?limit=1000`);
  printTitle('Hosts');
  printTable(
    ['phase', 'host', 'ok', 'changed', 'failed', 'skipped', 'unreachable', 'failing task'],
    hosts.map((/** @type {any} */ { phase, host, task, ...counts }) => [
      ...[phase, host, counts.ok, counts.changed, counts.failed, counts.skipped],
      ...[counts.unreachable, task ?? ''],
    ]),
  );
  printVerdict(session.status.session);
}

/** @param {any} phase */
function describeResult({ result, exit_code, reason }) {
  return result === 'exited' ? `exit ${exit_code}` : (reason ?? result ?? 'not yet');
}

/** @param {any} status */
function printVerdict(status) {
  const { succeeded, reason, message, phase, host, task } = status;
  const paint = succeeded === 'true' ? green : red;
  printTitle('Session');
  console.log(`  succeeded   ${paint(succeeded)}`);
  console.log(`  duration    ${formatDuration(status.start_time, status.completion_time)}`);
  const facts = { reason, message, phase, host, task };
  for (const [name, value] of Object.entries(facts)) {
    if (value) console.log(`  ${name.padEnd(11)} ${value}`);
  }
}

/**
 * Where to look further.
 * @param {{ keep: boolean, directory: string, session: string, job: string,
 *   service: { api: string, temporal: string, temporalUi: string | null, logFile: string } }} what
 */
export function printHints({ keep, directory, session, job, service }) {
  const { api, temporal, temporalUi } = service;
  printTitle('In Temporal');
  console.log(`  workflow ${job} at ${temporal}`);
  if (temporalUi === null) console.log('  its Web UI is that of your Temporal service');
  else console.log(`  ${temporalUi}/namespaces/default/workflows/${job}`);
  if (!keep) return console.log(dim('  (gone in a moment; npm run demo -- --keep leaves it up)'));
  printTitle('Everything stays up. Try');
  for (const path of ['sessions', `sessions/${session}`, `configurations/${session}`]) {
    console.log(`  curl -s ${api}/apis/cfs/v3/${path}`);
  }
  printTitle('The same with the Cray CLI');
  console.log(`  export CRAY_CONFIG_DIR=${writeCrayConfiguration(directory, api)}`);
  for (const words of [
    'sessions list',
    `sessions describe ${session}`,
    `configurations describe ${session}`,
  ]) {
    console.log(`  cray cfs v3 ${words}`);
  }
  printTitle('Stop it');
  console.log(`  node scripts/demo.mjs --stop ${directory}`);
  console.log(dim(`  (log of the service: ${service.logFile})`));
}
