import { ensureImageRoot } from './lib/image-root.mjs';
import { readOptions } from './lib/options.mjs';
import { SetupError, endChildrenOnSignals } from './setup/command.mjs';

readOptions(
  `npm run -s image-root

Builds a small image root, unless the cache has one, and prints its path.`,
  {},
);
endChildrenOnSignals();
try {
  console.log(await ensureImageRoot(process.env));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
