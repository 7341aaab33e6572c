import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderPath, runImageCommand, withMeans } from './lib/image-archive.mjs';
import { ensureSops } from './setup/sops.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const HELP = `npm run image:job -- [options]

Builds the image of jobs from Debian packages, for machines with neither a registry nor a builder of images. Needs root,
debootstrap and a Debian mirror. With a builder, use npm run image:build.

  --name NAME      name of the image; empty: named when it is loaded. Default localhost/keelson-job:test
  --output FILE    archive to write; default: in the cache
  --collections    include Debian's Ansible collections, and what they import
  --sops           include sops, which needs Go

Prints the file. Exit code 69: this machine lacks something that the build needs.`;

await runImageCommand(HELP, {
  title: 'job-image',
  name: 'localhost/keelson-job:test',
  // Debootstrap knows no virtual packages, so the provider is named: python3-cffi-backend.
  packages: [
    'ansible-core',
    'ca-certificates',
    'git',
    'openssh-client',
    'python3',
    'python3-cffi-backend',
  ],
  choices: { collections: listCollectionPackages(), sops: [] },
  renderLayer: async (work, chosen) => [
    ...['-C', root, '--exclude=__pycache__', '--exclude=.*_cache'],
    ...['--transform=s,^job,opt/keelson/job,', 'job'],
    ...(chosen.includes('sops') ? ['-C', await stageSops(work), 'usr'] : []),
  ],
  config: { Env: [renderPath()], WorkingDir: '/opt/keelson' },
});

/**
 * The collections of CFS's image and many more, in the versions for Debian's ansible-core; what their lookups, filters and
 * modules import on this side; and programs for tasks on localhost.
 */
function listCollectionPackages() {
  const libraries = ['dnspython', 'hvac', 'jmespath', 'kubernetes', 'netaddr', 'pexpect'];
  return ['ansible', ...libraries.map((name) => `python3-${name}`), ...['curl', 'jq', 'rsync']];
}

/** In a tree of its own, because Debian has no package. @param {string} work */
async function stageSops(work) {
  const file = await withMeans(() => ensureSops(process.env));
  const folder = join(work, 'usr/local/bin');
  mkdirSync(folder, { recursive: true });
  copyFileSync(file, join(folder, 'sops'));
  return work;
}
