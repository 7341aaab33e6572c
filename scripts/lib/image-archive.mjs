/**
 * Builds container images without a registry or a builder: Debian packages by debootstrap, with our files on top, as an
 * archive for `ctr images import`, `docker load` and the like.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SetupError, endChildrenOnSignals, runCommand } from '../setup/command.mjs';
import { cacheDirectory } from './cache.mjs';
import { withLock } from './files.mjs';
import { readOptions } from './options.mjs';

const EX_UNAVAILABLE = 69;
const SUITE = 'bookworm';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const WITHOUT = ['var/cache/apt', 'var/lib/apt/lists', 'var/log', 'usr/share/doc', 'usr/share/man'];

/**
 * @typedef {object} Image
 * @property {string} title of its folder in the cache, and of the file
 * @property {string} name unless the command line says otherwise
 * @property {readonly string[]} packages of Debian; debootstrap knows no virtual ones
 * @property {Readonly<Record<string, readonly string[]>>} [choices] more packages, each by a flag of this name
 * @property {readonly string[]} [users] lines of /etc/passwd
 * @property {(work: string, chosen: readonly string[]) => string[] | Promise<string[]>} renderLayer arguments for tar;
 *   `work` is an empty directory, `chosen` the flags that were given
 * @property {{ Env: string[], WorkingDir: string, User?: string, Cmd?: string[] }} config
 */

/**
 * Builds the image with the name, file and choices of the command line, and prints the file. Exit code 69: this machine lacks
 * what is needed to build images; 1: any other failure.
 * @param {string} help @param {Image} image
 */
export async function runImageCommand(help, image) {
  endChildrenOnSignals();
  const home = join(cacheDirectory(process.env), image.title);
  const { choices = {} } = image;
  const flags = Object.fromEntries(
    Object.keys(choices).map((flag) => [flag, { type: /** @type {const} */ ('boolean') }]),
  );
  const values = readOptions(help, {
    ...flags,
    name: { type: 'string', default: image.name },
    output: { type: 'string' },
  });
  const chosen = Object.keys(choices).filter((flag) => flag in values);
  const packages = [...image.packages, ...chosen.flatMap((flag) => choices[flag] ?? [])];
  try {
    if (process.getuid?.() !== 0) throw new MeansError('debootstrap needs root.');
    const output = resolve(values.output ?? join(home, `${image.title}.tar`));
    mkdirSync(home, { recursive: true });
    const onWait = () => console.log('- image: waiting for another build');
    await withLock(
      join(home, 'lock'),
      () => buildArchive({ ...image, packages, chosen, name: values.name }, home, output),
      onWait,
    );
    console.log(output);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = error instanceof MeansError ? EX_UNAVAILABLE : 1;
  }
}

/** In the layout of `docker save`. @param {Image & { chosen: readonly string[] }} image @param {string} home @param {string} output */
async function buildArchive(image, home, output) {
  const base = await ensureBase(image, home);
  const work = mkdtempSync(join(home, 'work-'));
  try {
    const layer = join(work, 'layer.tar');
    const files = join(work, 'files');
    mkdirSync(files);
    await tar(layer, await image.renderLayer(files, image.chosen));
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { ...image.config, Env: [...image.config.Env, 'LANG=C.UTF-8'] },
      rootfs: { type: 'layers', diff_ids: [base.digest, await digestOf(layer)] },
    };
    writeFileSync(join(work, 'config.json'), JSON.stringify(config));
    const Layers = ['base.tar', 'layer.tar'];
    const RepoTags = image.name === '' ? [] : [image.name];
    const manifest = [{ Config: 'config.json', RepoTags, Layers }];
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
    const draft = join(work, 'image.tar');
    await runCommand('image: archive', [
      ...['tar', '-cf', draft, '-C', work, 'manifest.json', 'config.json', 'layer.tar'],
      ...['-C', dirname(base.file), 'base.tar'],
    ]);
    renameSync(draft, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Cached until the packages change or the cache is emptied. @param {Image} image @param {string} home */
async function ensureBase({ packages, users = [] }, home) {
  const hash = createHash('sha256').update([SUITE, ...packages, ...users].join(' '));
  const directory = join(home, `base-${hash.digest('hex').slice(0, 12)}`);
  const file = join(directory, 'base.tar');
  const digest = join(directory, 'digest');
  if (existsSync(digest)) return { file, digest: readFileSync(digest, 'utf8') };
  rmSync(directory, { recursive: true, force: true });
  const system = join(directory, 'root');
  mkdirSync(directory, { recursive: true });
  await withMeans(() =>
    runCommand(`image: ${SUITE} with ${packages.join(', ')} (about 400 MB)`, [
      ...['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`],
      ...[SUITE, system, findMirror()],
    ]),
  );
  for (const path of WITHOUT) rmSync(join(system, path), { recursive: true, force: true });
  for (const user of users) appendFileSync(join(system, 'etc/passwd'), `${user}\n`);
  await tar(file, ['-C', system, '.']);
  rmSync(system, { recursive: true, force: true });
  writeFileSync(digest, await digestOf(file));
  return { file, digest: readFileSync(digest, 'utf8') };
}

/** Reports failures as something that this machine lacks: exit code 69. @template T @param {() => Promise<T>} act */
export async function withMeans(act) {
  try {
    return await act();
  } catch (error) {
    throw error instanceof SetupError ? new MeansError(error.message) : error;
  }
}

class MeansError extends SetupError {}

/** @param {readonly string[]} folders before the system's */
export function renderPath(...folders) {
  return `PATH=${[...folders, PATH].join(':')}`;
}

/** Writes the same bytes for the same files. @param {string} file @param {string[]} args */
async function tar(file, args) {
  const same = ['--sort=name', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@0'];
  await runCommand(`image: ${file.split('/').at(-1)}`, ['tar', ...same, '-cf', file, ...args]);
}

/** @param {string} file */
async function digestOf(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** The mirror of this machine's own package sources. */
function findMirror() {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', `Codename: ${SUITE}`],
    { encoding: 'utf8' },
  );
  return stdout?.split('\n')[0] || 'http://deb.debian.org/debian';
}
