/**
 * Breaks everything at every moment, and looks at what became of the sessions; docs/durability.md tells what is promised.
 *
 *   npm run chaos -- --rounds 20 --seed 7    a fault at a moment each, by chance; the seed repeats them
 *   --fault <name> --moment <name>           only these
 *   npm run chaos:all                        every pair that makes sense; writes the table of docs/durability.md
 *
 * The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

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
