/**
 * Builds the image of API and worker and that of jobs with a builder of OCI images. For machines without one there are
 * control-image.mjs and job-image.mjs.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from './lib/options.mjs';

const BUILDERS = ['podman', 'docker', 'buildah', 'nerdctl'];
const IMAGES = [
  { name: 'keelson', file: 'Containerfile' },
  { name: 'keelson-job', file: 'job/Containerfile' },
];

const USAGE = `npm run image:build -- [options] [-- options of the builder, such as --build-arg SOPS=with]

  --builder NAME       ${BUILDERS.join(', ')}; default: the first one on the path
  --registry PREFIX    prefix of the names of the images, such as registry.example.org/site`;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = readArguments(USAGE, {
  builder: { type: 'string' },
  registry: { type: 'string' },
});
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const builder = values.builder ?? BUILDERS.find(isOnPath);
if (builder === undefined) {
  console.error(
    `None of ${BUILDERS.join(', ')} is on the path. Name a builder with --builder. Without a builder, npm run image:control and npm run image:job build both images from Debian packages.`,
  );
  process.exit(1);
}
for (const { name, file } of IMAGES) {
  const tag = [values.registry, `${name}:${version}`]
    .filter((part) => part !== undefined)
    .join('/');
  console.error(`${builder} builds ${tag} from ${file} ...`);
  const words = ['build', '--file', file, '--tag', tag, ...positionals, '.'];
  const { status, error } = spawnSync(builder, words, { cwd: root, stdio: 'inherit' });
  if (status === 0) continue;
  console.error(`${tag} was not built: ${error?.message ?? `${builder} ended with ${status}`}.`);
  process.exit(1);
}

/** @param {string} program */
function isOnPath(program) {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
