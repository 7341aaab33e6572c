/**
 * Builds the image of jobs from Debian packages, for a machine that has neither a registry nor a builder of images: an
 * archive that `ctr images import`, `docker load` and their like take. Wants root, debootstrap and a Debian mirror. With a
 * builder, use job/Containerfile.
 *
 *   node scripts/job-image.mjs [--name localhost/keelson-job:test] [--output FILE]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
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
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheDirectory } from './lib/cache.mjs';
import { withLock } from './lib/files.mjs';
import { SetupError, endChildrenOnSignals, runCommand } from './setup/command.mjs';

const SUITE = 'bookworm';
// debootstrap knows no virtual packages, so what provides one is named too: python3-cffi-backend.
const PACKAGES = [
  'ansible-core',
  'ca-certificates',
  'git',
  'openssh-client',
  'python3',
  'python3-cffi-backend',
];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(cacheDirectory(process.env), 'job-image');

/** The archive, in the layout of `docker save`; answers its path. */
async function buildImage(name, output) {
  mkdirSync(home, { recursive: true });
  const base = await ensureBase();
  const work = mkdtempSync(join(home, 'work-'));
  try {
    const job = join(work, 'job.tar');
    await tar(job, ['-C', root, '--exclude=__pycache__', '--transform=s,^,opt/keelson/,', 'job']);
    const layers = [base, { file: job, digest: await digestOf(job) }];
    writeFileSync(join(work, 'config.json'), JSON.stringify(renderConfig(layers)));
    const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['base.tar', 'job.tar'] }];
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
    const draft = join(work, 'image.tar');
    const files = [
      '-C',
      work,
      'manifest.json',
      'config.json',
      'job.tar',
      '-C',
      dirname(base.file),
      'base.tar',
    ];
    await runCommand('image: archive', ['tar', '-cf', draft, ...files]);
    renameSync(draft, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The system with its packages changes when this list does, or when the cache is emptied. */
async function ensureBase() {
  const key = createHash('sha256')
    .update([SUITE, ...PACKAGES].join(' '))
    .digest('hex')
    .slice(0, 12);
  const directory = join(home, `base-${key}`);
  const file = join(directory, 'base.tar');
  const digest = join(directory, 'digest');
  if (existsSync(digest)) return { file, digest: readFileSync(digest, 'utf8') };
  rmSync(directory, { recursive: true, force: true });
  const system = join(directory, 'root');
  mkdirSync(directory, { recursive: true });
  await runCommand(`image: ${SUITE} with ${PACKAGES.join(', ')} (about 400 MB)`, [
    'debootstrap',
    '--variant=minbase',
    `--include=${PACKAGES.join(',')}`,
    SUITE,
    system,
    findMirror(),
  ]);
  for (const path of [
    'var/cache/apt',
    'var/lib/apt/lists',
    'var/log',
    'usr/share/doc',
    'usr/share/man',
  ])
    rmSync(join(system, path), { recursive: true, force: true });
  await tar(file, ['-C', system, '.']);
  rmSync(system, { recursive: true, force: true });
  writeFileSync(digest, await digestOf(file));
  return { file, digest: readFileSync(digest, 'utf8') };
}

function renderConfig(layers) {
  return {
    architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
    os: 'linux',
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
      WorkingDir: '/opt/keelson',
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
}

/** The same bytes for the same files. */
async function tar(file, args) {
  const same = ['--sort=name', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@0'];
  await runCommand(`image: ${file.split('/').at(-1)}`, ['tar', ...same, '-cf', file, ...args]);
}

async function digestOf(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** That of the machine's own sources. */
function findMirror() {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', `Codename: ${SUITE}`],
    {
      encoding: 'utf8',
    },
  );
  return stdout?.split('\n')[0] || 'http://deb.debian.org/debian';
}

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'localhost/keelson-job:test' },
    output: { type: 'string' },
  },
});
endChildrenOnSignals();
try {
  if (process.getuid?.() !== 0) throw new SetupError('debootstrap wants root.');
  const output = resolve(values.output ?? join(home, 'keelson-job.tar'));
  mkdirSync(home, { recursive: true });
  const onWait = () => console.log('- image: waiting for another build');
  await withLock(join(home, 'lock'), () => buildImage(values.name, output), onWait);
  console.log(output);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
