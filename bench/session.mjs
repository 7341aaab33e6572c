import { pause } from '../scripts/demo/service.mjs';

const POLL_MS = 10;

/**
 * Runs one session, from its POST until a reader sees it complete.
 * @param {ReturnType<typeof import('../scripts/demo/client.mjs').createClient>} client
 * @param {string} name @param {string} configuration @param {AbortSignal} signal
 * @param {(job: string) => void} [during] called repeatedly while it runs
 * @param {object} [request] further members of the request
 */
export async function runSession(client, name, configuration, signal, during, request = {}) {
  const posted = Date.now();
  const start = performance.now();
  await client.post('/v3/sessions', { name, configuration_name: configuration, ...request });
  // Follows the log, as people do: a reader that polls would compete with Ansible for the processor.
  const following = client.followLines(`/v3/sessions/${name}/logs?follow=true`, () => undefined);
  if (during === undefined) await following;
  for (;;) {
    const { status } = await client.get(`/v3/sessions/${name}`);
    const seen = Date.now();
    if (status.session.status === 'complete') {
      await following;
      const total = performance.now() - start;
      return { total, ...(await readTimes(client, name, posted, seen, status.session)) };
    }
    during?.(status.session.job);
    await pause(signal, POLL_MS);
  }
}

/**
 * @param {ReturnType<typeof import('../scripts/demo/client.mjs').createClient>} client
 * @param {string} name @param {number} posted @param {number} seen @param {any} session
 */
async function readTimes(client, name, posted, seen, session) {
  if (session.succeeded !== 'true')
    throw new Error(`${name}: ${session.reason} ${session.message}`);
  const { phases } = await client.get(`/v3/sessions/${name}/phases`);
  const times = phases.map((/** @type {any} */ { name: phase, start_time, completion_time }) => ({
    phase,
    start: Date.parse(start_time),
    end: Date.parse(completion_time),
  }));
  return {
    job: session.job,
    toFirstPhase: times[0].start - posted,
    toComplete: seen - times.at(-1).end,
    /** Between the phases: the cost of starting and ending each. */
    between: times
      .slice(1)
      .reduce(
        (/** @type {number} */ sum, /** @type {any} */ { start }, /** @type {number} */ i) =>
          sum + start - times[i].end,
        0,
      ),
    phases: times.map((/** @type {any} */ { phase, start, end }) => ({
      phase,
      milliseconds: end - start,
    })),
  };
}
