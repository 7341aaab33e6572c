import { ensureImageRoot } from './lib/image-root.mjs';
import { readOptions } from './lib/options.mjs';
import { SetupError, endChildrenOnSignals } from './setup/command.mjs';

readOptions(
  `npm run -s image-root

Makes a small root of an image, or finds the one that was made, and prints where it is.`,
  {},
);
endChildrenOnSignals();
try {
  console.log(await ensureImageRoot(process.env));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
