/** Interrupts every process at every moment and checks that the sessions end as docs/durability.md promises. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { readOptions } from './lib/options.mjs';

const USAGE = `npm run chaos -- [options]

  --rounds N        number of rounds, each with a random fault at a random moment (default 10)
  --seed N          seed of the first round, to repeat it
  --fault NAME      only this fault; docs/durability.md lists them
  --moment NAME     only this moment

npm run chaos:all runs every pair that makes sense, and writes the table of docs/durability.md. The last line is
N passed, N failed.`;

readOptions(USAGE, {
  rounds: { type: 'string' },
  seed: { type: 'string' },
  all: { type: 'boolean' },
  fault: { type: 'string' },
  moment: { type: 'string' },
});

/** @param {string} name */
const toPath = (name) => fileURLToPath(new URL(`../test/${name}`, import.meta.url));

await build();
const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    ...['--import', toPath('support/typescript.mjs'), toPath('chaos/main.ts')],
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
const [code] = await once(child, 'exit');
process.exitCode = code ?? 1;
