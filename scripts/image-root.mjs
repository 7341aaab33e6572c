/** Makes a small root of an image, or finds the one that was made, and prints where it is: `npm run -s image-root`. */
import { ensureImageRoot } from './lib/image-root.mjs';
import { SetupError, endChildrenOnSignals } from './setup/command.mjs';

endChildrenOnSignals();
try {
  console.log(await ensureImageRoot(process.env));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
