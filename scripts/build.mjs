import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { replaceFile, withLock } from './lib/files.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stampFile = join(dist, '.stamp');
const compiler = join(root, 'node_modules', '.bin', 'tsc');

/**
 * Compiles src/ and bundles the workflows, unless dist/ was made from the same sources. The compiler writes its output in
 * spite of type errors; `onErrors` decides whether to accept it.
 * @param {{ onErrors?: (errors: string) => void, onStart?: () => void }} [options]
 */
export async function build({ onErrors = refuse, onStart = () => undefined } = {}) {
  const stamp = computeStamp();
  if (isCurrent(stamp)) return false;
  if (!existsSync(compiler))
    throw new Error('The npm packages are missing: npm run setup -- --for start installs them.');
  onStart();
  await withLock(join(root, 'node_modules', '.keelson-build.lock'), async () => {
    if (isCurrent(stamp)) return;
    rmSync(stampFile, { force: true });
    const errors = (await compile()) + (await bundle());
    if (errors !== '') onErrors(errors);
    if (errors === '') writeFileSync(stampFile, stamp);
  });
  return true;
}

/** @param {string} errors */
function refuse(errors) {
  throw new Error(`src/ does not compile:\n${errors}`);
}

/** @param {string} stamp */
function isCurrent(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
}

/** Path, size and time of every source, and of the lock file, which fixes compiler and SDK. */
function computeStamp() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort();
  const files = sources.filter((name) => name.endsWith('.ts')).map((name) => join('src', name));
  for (const name of [...files, 'tsconfig.json', 'package-lock.json', 'scripts/build.mjs']) {
    const { size, mtimeMs } = statSync(join(root, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

async function compile() {
  try {
    await promisify(execFile)(compiler, ['-p', 'tsconfig.json'], { cwd: root });
    return '';
  } catch (error) {
    const { stdout = '', message = '' } = /** @type {{ stdout?: string, message?: string }} */ (
      error
    );
    return stdout || message;
  }
}

async function bundle() {
  const workflowsPath = join(dist, 'workflows', 'index.js');
  if (!existsSync(join(root, 'src', 'workflows', 'index.ts'))) return '';
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error() {} };
  try {
    const { code } = await bundleWorkflowCode({ workflowsPath, logger: quiet });
    replaceFile(join(dist, 'workflow-bundle.js'), code);
    return '';
  } catch (error) {
    return `The workflows cannot be bundled: ${/** @type {Error} */ (error).message}\n`;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const start = Date.now();
    // On stderr, because the command itself may print JSON.
    const built = await build({ onStart: () => console.error('Building dist/ …') });
    if (built) console.error(`Built dist/ in ${((Date.now() - start) / 1000).toFixed(1)} s.`);
  } catch (error) {
    console.error(/** @type {Error} */ (error).message);
    process.exitCode = 1;
  }
}
