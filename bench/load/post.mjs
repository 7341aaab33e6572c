import { once } from 'node:events';
import { request } from 'node:http';

/**
 * Posts a session of the bench's configuration.
 * @param {import('node:http').Agent} agent @param {string} url @param {string} name
 * @returns {Promise<{ status: number | undefined, again: string | undefined }>} again: when to come again
 */
export async function post(agent, url, name) {
  const sent = request(url, {
    method: 'POST',
    agent,
    headers: { 'Content-Type': 'application/json' },
  });
  sent.end(JSON.stringify({ name, configuration_name: 'bench' }));
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, again: response.headers['retry-after'] };
}
