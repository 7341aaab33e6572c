import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait.js';

const SERVER = fileURLToPath(new URL('../../dist/api/server.js', import.meta.url));

/** An API in its own process, on a free loopback port. It hands nothing to Temporal. */
export interface ApiProcess {
  readonly url: string;
  readonly pid: number;
  output(): string;
  isRunning(): boolean;
  ask(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  close(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** `prefix` is a command that replaces itself with the command that follows it, such as `setpriv`. */
export async function startApiProcess(
  environment: Readonly<Record<string, string>>,
  prefix: readonly string[] = [],
): Promise<ApiProcess> {
  const [command, ...words] = [...prefix, process.execPath, SERVER];
  const child = spawn(command, words, {
    env: { ...process.env, RUNNER: 'none', API_LISTEN: '127.0.0.1:0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const url = await waitFor(
    () => {
      if (!isRunning()) return 'ended';
      return /"url":"([^"]+)","msg":"api started"/.exec(output)?.[1];
    },
    { what: 'an API to start' },
  );
  if (url === 'ended') throw new Error(`The API ended: ${output}`);
  return {
    url,
    pid: child.pid ?? 0,
    output: () => output,
    isRunning,
    async ask(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.text();
      const { status, headers } = response;
      return { status, headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    },
    async close() {
      if (!isRunning()) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
