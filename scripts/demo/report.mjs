import { renderReport } from '#dist/cli/report.js';
import { dim, printTitle } from './print.mjs';
import { writeCrayConfiguration } from './site.mjs';

/**
 * Prints how the session ended: phases, hosts, reason.
 * @param {ReturnType<typeof import('./client.mjs').createClient>} client @param {any} session
 * @param {string} directory left out of the addresses of repositories
 */
export async function printOutcome(client, session, directory) {
  const { phases } = await client.get(`/v3/sessions/${session.name}/phases`);
  const { hosts } = await client.get(`/v3/sessions/${session.name}/hosts?limit=1000`);
  const short = phases.map((/** @type {any} */ phase) => ({
    ...phase,
    title: phase.title.replace(`file://${directory}/git/`, ''),
  }));
  console.log(`\n${renderReport(session, short, hosts).join('\n')}`);
}

/**
 * Says where to find more.
 * @param {{ keep: boolean, directory: string, session: string, job: string,
 *   service: { api: string, temporal: string, temporalUi: string | null, logFile: string } }} what
 */
export function printHints({ keep, directory, session, job, service }) {
  const { api, temporal, temporalUi } = service;
  printTitle('In Temporal');
  console.log(`  workflow ${job} at ${temporal}`);
  if (temporalUi === null) console.log('  see it in the Web UI of your Temporal service');
  else console.log(`  ${temporalUi}/namespaces/default/workflows/${job}`);
  if (!keep)
    return console.log(dim('  (gone in a moment; npm run demo -- --keep leaves it running)'));
  printTitle('Everything is still running. Try');
  console.log(`  export KEELSON_URL=${api}`);
  for (const words of ['list', `show ${session}`, `run ${session} --follow`]) {
    console.log(`  ./keelson ${words}`);
  }
  console.log(`  curl -s ${api}/v3/sessions/${session}`);
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
