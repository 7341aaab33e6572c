import { pause } from './service.mjs';

/**
 * The few calls of the REST API that the demo makes.
 * @param {string} base @param {AbortSignal} signal
 */
export function createClient(base, signal) {
  /** @param {string} method @param {string} path @param {unknown} [body] */
  const call = async (method, path, body) => {
    const response = await fetch(`${base}${path}`, {
      method,
      signal,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    if (response.ok) return response;
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  };
  /** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  const callForJson = async (method, path, body) => (await call(method, path, body)).json();
  return {
    /** @param {string} path */
    get: (path) => callForJson('GET', path),
    /** @param {string} path @param {unknown} body */
    put: (path, body) => callForJson('PUT', path, body),
    /** @param {string} path @param {unknown} body */
    post: (path, body) => callForJson('POST', path, body),
    /** @param {string} path @param {unknown} body */
    patch: (path, body) => callForJson('PATCH', path, body),
    /**
     * Passes on lines as they arrive; the last one may be incomplete.
     * @param {string} path @param {(line: string) => void} onLine
     */
    async followLines(path, onLine) {
      const { body } = await call('GET', path);
      let rest = '';
      for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(onLine);
      }
      if (rest !== '') onLine(rest);
    },
  };
}

/**
 * Waits until the session's record is complete, a moment after the end of its log, and returns it.
 * @param {ReturnType<typeof createClient>} client @param {string} name @param {AbortSignal} signal
 */
export async function waitForEnd(client, name, signal) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(signal)) {
    const session = await client.get(`/v3/sessions/${name}`);
    if (session.status.session.status === 'complete') return session;
  }
  throw new Error('The log has ended, but the session has not.');
}
