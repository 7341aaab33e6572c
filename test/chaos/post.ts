import { once } from 'node:events';
import { request } from 'node:http';
import { CONFIGURATION } from '../support/kill-site.js';
import { waitFor } from '../support/wait.js';
import type { ChaosSession } from './arrangement.js';
import type { Stand } from './stand.js';

const MOST_MS = 180_000;

/** Repeats the POST, as a stubborn client does, until the session is accepted or already exists. */
export async function postStubbornly(
  { cluster, site }: Stand,
  { name, way }: ChaosSession,
): Promise<void> {
  if (way === 'unpinned') return site.submitUnpinned(name);
  const body = { name, configuration_name: CONFIGURATION };
  await waitFor(
    async () => {
      const { status } = await cluster.ask('POST', '/v3/sessions', body);
      if (status >= 400 && status < 500 && status !== 409 && status !== 429)
        throw new Error(`POST ${name}: ${status}`);
      return status === 201 || status === 409;
    },
    { timeoutMs: MOST_MS, intervalMs: 200, what: `${name} to be accepted` },
  );
}

/** Corrects the session's playbook, and asks for a rerun until that is accepted or the session is over. `since`: when its hold began. */
export async function rerunStubbornly(
  { cluster, site }: Stand,
  { name, since }: { readonly name: string; readonly since: string },
): Promise<void> {
  site.correct(name);
  const body = { rerun: true, hold_since: since };
  await waitFor(
    async () => {
      const { status } = await cluster.ask('POST', `/v3/sessions/${name}/release`, body);
      return status === 202 || (await cluster.find(name)).status.session.status === 'complete';
    },
    { timeoutMs: MOST_MS, intervalMs: 200, what: `${name} to be run again` },
  );
}

/** Sends the request and breaks the connection before any answer. */
export async function postUnheard({ cluster }: Stand, name: string): Promise<void> {
  const sending = request(`${cluster.url}/v3/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  sending.on('error', () => undefined);
  sending.end(JSON.stringify({ name, configuration_name: CONFIGURATION }));
  await once(sending, 'finish');
  sending.destroy();
}
