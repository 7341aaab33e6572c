/** Runs a linter of job/ from the environment that the setup made: `node scripts/python.mjs ruff check job`. */
import { spawnSync } from 'node:child_process';
import { findTools } from './lib/tools.mjs';

const [tool = '', ...args] = process.argv.slice(2);
const file = tool === 'ruff' || tool === 'mypy' ? findTools(process.env)[tool] : undefined;
if (file === undefined) {
  console.error(`There is no ${tool}. Run: npm run setup -- --for test`);
  process.exit(1);
}
process.exit(spawnSync(file, args, { stdio: 'inherit' }).status ?? 1);
