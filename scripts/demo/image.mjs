import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/image-service/main.js', import.meta.url));

/**
 * Imports an image like `npm run image-service -- import`.
 * @param {string} directory of the image service @param {string} root a squashfs file @param {string} name
 */
export function importImage(directory, root, name) {
  const argv = [PROGRAM, 'import', root, '--name', name];
  const env = { ...process.env, IMAGE_SERVICE_DIRECTORY: directory };
  const id = execFileSync(process.execPath, argv, { env, encoding: 'utf8' }).trim();
  return { id, directory, file: join(directory, 'boot-images', id, 'rootfs') };
}
