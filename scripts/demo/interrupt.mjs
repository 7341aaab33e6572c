/** Aborted by a signal, and where nobody reads what the demo says any more: it removes everything then too. */
export function createInterrupt() {
  const interrupt = new AbortController();
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const name of signals) process.on(name, () => interrupt.abort(new Error(`${name}.`)));
  const unread = new Error('Nobody reads the output any more.');
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => interrupt.abort(unread));
  return interrupt;
}
