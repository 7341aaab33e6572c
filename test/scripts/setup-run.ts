import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from '../support/ssh-host.js';

const script = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

export interface SetupRun {
  readonly code: number | null;
  readonly output: string;
  readonly milliseconds: number;
}

/** A machine as the setup sees it, with its own path and cache. */
export interface Machine {
  readonly cache: string;
  /** Programs by their name on the path. */
  addProgram(name: string, text: string): void;
  run(step: string, env?: Readonly<Record<string, string>>): Promise<SetupRun>;
  /** Once the output has the text, resolves with a function that interrupts the setup and waits for its end. */
  runUntil(
    step: string,
    text: string,
    env: Readonly<Record<string, string>>,
  ): Promise<() => Promise<SetupRun>>;
  remove(): void;
}

export function createMachine(): Machine {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-setup-'));
  const bin = join(directory, 'bin');
  const cache = join(directory, 'cache');
  mkdirSync(bin);
  for (const name of ['sh', 'tar', 'gzip']) symlinkSync(`/bin/${name}`, join(bin, name));
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync(findPython(), join(bin, 'python3'));
  const start = (step: string, env: Readonly<Record<string, string>>) =>
    startSetup(step, { PATH: bin, HOME: directory, KEELSON_CACHE: cache, ...env });
  return {
    cache,
    addProgram: (name, text) => writeFileSync(join(bin, name), text, { mode: 0o755 }),
    run: (step, env = {}) => start(step, env).ended,
    async runUntil(step, text, env) {
      const { child, ended, hasPrinted } = start(step, env);
      await hasPrinted(text);
      return () => {
        child.kill('SIGINT');
        return ended;
      };
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function startSetup(step: string, env: Readonly<Record<string, string>>) {
  const started = Date.now();
  const child = spawn(process.execPath, [script, '--only', step], { env, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const ended = new Promise<SetupRun>((resolve) => {
    child.once('close', (code) => resolve({ code, output, milliseconds: Date.now() - started }));
  });
  const hasPrinted = (text: string) =>
    new Promise<void>((resolve) => {
      child.stderr.on('data', () => {
        if (output.includes(text)) resolve();
      });
    });
  return { child, ended, hasPrinted };
}
