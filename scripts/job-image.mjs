/**
 * Builds the image of jobs from Debian packages, for a machine that has neither a registry nor a builder of images. Wants
 * root, debootstrap and a Debian mirror. With a builder, use job/Containerfile.
 *
 *   node scripts/job-image.mjs [--name localhost/keelson-job:test] [--output FILE] [--collections]
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderPath, runImageCommand } from './lib/image-archive.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

await runImageCommand({
  title: 'job-image',
  name: 'localhost/keelson-job:test',
  // What provides the virtual package is named too: python3-cffi-backend.
  packages: [
    'ansible-core',
    'ca-certificates',
    'git',
    'openssh-client',
    'python3',
    'python3-cffi-backend',
  ],
  // Collections as CFS's image has them, and many more: those that fit Debian's ansible-core.
  choices: { collections: ['ansible'] },
  renderLayer: () => [
    ...[
      '-C',
      root,
      '--exclude=__pycache__',
      '--exclude=.*_cache',
      '--transform=s,^,opt/keelson/,',
      'job',
    ],
  ],
  config: { Env: [renderPath()], WorkingDir: '/opt/keelson' },
});
