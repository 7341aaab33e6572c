import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderPath, runImageCommand } from './lib/image-archive.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = `node_modules/node-linux-${process.arch}`;
/** Packed only in part: the SDK has a library for each platform, and Node has headers for native packages. */
const LIBRARIES = 'node_modules/@temporalio/core-bridge/releases';
/** @type {Readonly<Record<string, string>>} as its files name them */
const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' };
const library = `${ARCHITECTURES[process.arch] ?? process.arch}-unknown-linux-gnu`;

const HELP = `npm run image:control -- [options]

Builds the image of API and worker from Debian packages, npm packages and dist/, for machines with neither a registry nor a
builder of images. Needs root, debootstrap and a Debian mirror. With a builder, use npm run image:build. The image has no
Ansible, so it cannot run jobs itself.

  --name NAME      name of the image; empty: named when it is loaded. Default localhost/keelson:test
  --output FILE    archive to write; default: in the cache

Prints the file. Exit code 69: this machine lacks something that the build needs.`;

await runImageCommand(HELP, {
  title: 'control-image',
  name: 'localhost/keelson:test',
  packages: ['ca-certificates', 'git', 'openssh-client'],
  // ssh refuses a user without a name.
  users: ['keelson:x:1000:1000:Keelson:/data:/bin/sh'],
  renderLayer: (work) => {
    const list = join(work, 'list');
    writeFileSync(list, listFiles().join('\n'));
    const others = readdirSync(join(root, LIBRARIES)).filter((name) => name !== library);
    const without = [
      ...['__pycache__', '.*_cache', `${node}/include`, `${node}/share`],
      ...others.map((name) => `${LIBRARIES}/${name}`),
    ];
    return [
      ...['-C', root, ...without.map((path) => `--exclude=${path}`)],
      ...['--transform=s,^,app/,S', `--files-from=${list}`],
    ];
  },
  config: {
    Env: [
      renderPath(`/app/${node}/bin`),
      'NODE_ENV=production',
      'KEELSON_DATA=/data',
      'NODE_COMPILE_CACHE=/data/compiled',
    ],
    WorkingDir: '/app',
    User: '1000:1000',
    Cmd: ['scripts/api.sh'],
  },
});

/** The files that are needed to run, without those for builds and tests. */
function listFiles() {
  if (!existsSync(join(root, node))) throw new Error(`There is no ${node}. Run: npm ci`);
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const packages = Object.entries(lock.packages)
    .filter(([path, { dev, extraneous }]) => path !== '' && !dev && !extraneous)
    .map(([path]) => path)
    .filter((path) => path.lastIndexOf('node_modules/') === 0 && existsSync(join(root, path)));
  return [
    ...['package.json', 'keelson', 'dist', 'job', 'scripts/api.sh', 'scripts/run.sh'],
    ...packages,
  ];
}
