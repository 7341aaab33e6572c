import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { toChildEnvironment } from './child.js';

const PROBE =
  'import sys; print(sys.executable); print(sys.version_info >= (3, 10)); print(sys.version.split()[0])';

/**
 * Resolves the name to the interpreter itself, past any shim. Jobs start it several times; a shim would slow each start and put
 * its own variables into the environment of playbooks.
 */
export async function findInterpreter(python: string): Promise<string> {
  const env = toChildEnvironment();
  const probed = promisify(execFile)(python, ['-c', PROBE], { env });
  const { stdout } = await probed.catch((cause: unknown) => {
    throw new Error(`PYTHON: ${python} cannot be started; jobs need Python 3.10 or newer.`, {
      cause,
    });
  });
  const [executable = '', isNewEnough, version = ''] = stdout.trim().split('\n');
  if (isNewEnough !== 'True') {
    throw new Error(`PYTHON: ${python} is version ${version}; jobs need Python 3.10 or newer.`);
  }
  return executable;
}
