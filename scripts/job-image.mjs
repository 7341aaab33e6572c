import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderPath, runImageCommand, withMeans } from './lib/image-archive.mjs';
import { ensureSops } from './setup/sops.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const HELP = `npm run image:job -- [options]

Builds the image of jobs from Debian packages, for a machine that has neither a registry nor a builder of images. Wants root,
debootstrap and a Debian mirror. With a builder, use npm run image:build.

  --name NAME      what the image is named; empty: whoever loads it names it. Default localhost/keelson-job:test
  --output FILE    the archive; default in the cache
  --collections    with the collections that Debian has
  --sops           with sops, which needs Go

Prints the file. Exit code 69: this machine lacks what an image is made of.`;

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
  // The collections of CFS's image and many more, in the versions for Debian's ansible-core.
  choices: { collections: ['ansible'], sops: [] },
  renderLayer: async (work, chosen) => [
    ...['-C', root, '--exclude=__pycache__', '--exclude=.*_cache'],
    ...['--transform=s,^job,opt/keelson/job,', 'job'],
    ...(chosen.includes('sops') ? ['-C', await stageSops(work), 'usr'] : []),
  ],
  config: { Env: [renderPath()], WorkingDir: '/opt/keelson' },
});

/** In a tree of its own, because Debian has no package. @param {string} work */
async function stageSops(work) {
  const file = await withMeans(() => ensureSops(process.env));
  const folder = join(work, 'usr/local/bin');
  mkdirSync(folder, { recursive: true });
  copyFileSync(file, join(folder, 'sops'));
  return work;
}
