import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  TEMPORAL_VERSION,
  cacheDirectory,
  cachedTemporal,
  findProgram,
  isProgram,
} from '../lib/cache.mjs';
import { SetupError, runCommand, withProgress } from './command.mjs';
import { Unreachable, fetchText, openDownload, saveBody } from './download.mjs';

const RELEASES = 'https://github.com/temporalio/cli/releases/download';
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_VERSION}`;

/** @typedef {import('../lib/cache.mjs').Environment} Environment */

/**
 * A Temporal service, or the program that starts one: given, on the path, cached, downloaded from its vendor, or compiled.
 * @param {Environment} env
 */
export async function ensureTemporal(env) {
  if (env.TEMPORAL_ADDRESS) return;
  if (env.TEMPORAL_CLI && findProgram(env.TEMPORAL_CLI, env) === undefined) {
    throw new SetupError(`TEMPORAL_CLI: there is no program ${env.TEMPORAL_CLI}.`);
  }
  const isThere =
    findProgram(env.TEMPORAL_CLI || 'temporal', env) !== undefined ||
    isProgram(cachedTemporal(env));
  if (!isThere) await install(env);
}

/** @param {Environment} env */
async function install(env) {
  const cache = cacheDirectory(env);
  for (const entry of readdirSync(cache)) {
    if (entry.startsWith('temporal.new-')) rmSync(join(cache, entry), { recursive: true });
  }
  const draft = mkdtempSync(join(cache, 'temporal.new-'));
  try {
    const problem = await downloadRelease(draft, env);
    if (problem !== undefined) await compile(problem, draft, env);
    const target = cachedTemporal(env);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(draft, 'temporal'), target);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Unpacks the vendor's archive. Returns why that is not possible, or nothing. @param {string} draft @param {Environment} env */
async function downloadRelease(draft, env) {
  const base = `${env.KEELSON_TEMPORAL_RELEASES || RELEASES}/v${TEMPORAL_VERSION}`;
  const name = `temporal_cli_${TEMPORAL_VERSION}_${process.platform}_${toGoArchitecture()}.tar.gz`;
  const archive = join(draft, 'archive.tar.gz');
  try {
    const expected = findChecksum(await fetchText(`${base}/checksums.txt`), name);
    if (expected === undefined) return `the release has no ${name}`;
    const actual = await download(`${base}/${name}`, archive);
    if (actual !== expected) {
      throw new SetupError(
        `${name} does not match its checksum, so it is not used. Expected ${expected}, got ${actual}.`,
      );
    }
  } catch (error) {
    if (error instanceof SetupError) throw error;
    const { message } = /** @type {Error} */ (error);
    return error instanceof Unreachable ? message : `the download broke off: ${message}`;
  }
  await runCommand('Temporal: unpacking', ['tar', '-xzf', archive, '-C', draft, 'temporal']);
  await runCommand('Temporal: trying it', [join(draft, 'temporal'), '--version']);
  return undefined;
}

/** @param {string} url @param {string} file */
async function download(url, file) {
  const body = await openDownload(url);
  const total = Number(body.headers['content-length'] ?? 0);
  const size = total === 0 ? 'of unknown size' : `of ${toMegabytes(total)}`;
  let bytes = 0;
  return withProgress(
    `Temporal ${TEMPORAL_VERSION}: downloads the release archive ${size}`,
    () => saveBody(body, file, (more) => (bytes += more)),
    () => `, ${toMegabytes(bytes)}`,
  );
}

/** @param {string} problem @param {string} draft @param {Environment} env */
async function compile(problem, draft, env) {
  const go = findProgram('go', env);
  if (go === undefined) {
    throw new SetupError(
      `Temporal ${TEMPORAL_VERSION}: the release cannot be downloaded (${problem}), and there is no Go to compile it.\n` +
        'Do one of these, then run this again: put the program `temporal` on the path; set TEMPORAL_ADDRESS to a\n' +
        'running service; install Go; or set KEELSON_TEMPORAL_RELEASES to a mirror of the releases.',
    );
  }
  console.error(`- Temporal ${TEMPORAL_VERSION}: the release cannot be downloaded (${problem})`);
  const title =
    `Temporal ${TEMPORAL_VERSION}: go install compiles it instead (about 3 minutes on 2 cores; ` +
    'up to 1.5 GB in the module cache of Go)';
  await runCommand(title, [go, 'install', MODULE], { env: { ...env, GOBIN: draft } });
}

/** @param {string} text @param {string} name */
function findChecksum(text, name) {
  const line = text.split('\n').find((one) => one.trim().split(/\s+\*?/)[1] === name);
  return line?.trim().split(/\s+/)[0];
}

function toGoArchitecture() {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** @param {number} bytes */
function toMegabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
