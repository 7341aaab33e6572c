/** Aborted by a signal, or when nobody reads the demo's output any more, so that it still removes everything. */
export function createInterrupt() {
  const interrupt = new AbortController();
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const name of signals) process.on(name, () => interrupt.abort(new Error(`${name}.`)));
  const unread = new Error('Nobody reads the output any more.');
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => interrupt.abort(unread));
  return interrupt;
}
