import { fileURLToPath } from 'node:url';
import { endingWithUs } from './processes.mjs';

const JEST = fileURLToPath(new URL('../../node_modules/jest/bin/jest.js', import.meta.url));

/**
 * Runs these tests like `npm run jest`, but ends when the process that starts it is gone: npm would leave its child.
 * @param {readonly string[]} files
 */
export function toJestCommand(files) {
  const options = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  return endingWithUs([process.execPath, ...options, JEST, ...files], 'TERM');
}
