import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  /** Standard output as text. */
  readonly text: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Standard output so far. */
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<Ran>;
}

/** Starts the program as a shell does, with this API. */
export function startKeelson(
  url: string,
  words: readonly string[],
  {
    input = '',
    isOpen = false,
    env = {},
  }: {
    input?: string;
    /** Whether standard input stays open. */
    isOpen?: boolean;
    env?: Readonly<Record<string, string>>;
  } = {},
): Running {
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    env: { PATH: process.env['PATH'], KEELSON_URL: url, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined).write(input);
  if (!isOpen) child.stdin.end();
  const ended = once(child, 'close').then(([code]) => {
    const bytes = Buffer.concat(out);
    const said = Buffer.concat(err).toString();
    return { code: code as number | null, out: bytes, text: bytes.toString(), err: said };
  });
  return {
    child,
    out: () => Buffer.concat(out).toString(),
    err: () => Buffer.concat(err).toString(),
    ended,
  };
}
