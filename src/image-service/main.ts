import { parseArgs } from 'node:util';
import { runCommand } from '../commands/run.js';
import type { ImageServiceConfig } from '../config/image-service.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createLogger } from '../process/logger.js';
import { readConfig, runService, type Service } from '../process/run.js';
import { importImage } from './import-image.js';
import { preparePlace } from './place.js';
import { openImageService } from './service.js';

const HELP = `Serves images, public keys and customize jobs, or imports an image.

  image-service                                          serves until Ctrl-C
  image-service import <squashfs> --name <name>          copies the file in and prints the id of the new image
    --arch x86_64|aarch64     default x86_64
    --kernel <file>  --initrd <file>`;

const [command, ...words] = process.argv.slice(2);
const { imageService: config, logLevel } = readConfig([]);

if (command === undefined) await serve(config, logLevel);
else await runCommand(() => obey(command));

async function obey(word: string): Promise<string> {
  if (word === 'import') return importFile(config, words);
  if (word === '--help') return HELP;
  throw new Error(`${word}: unknown command.\n\n${HELP}`);
}

async function serve(config: ImageServiceConfig, logLevel?: string): Promise<void> {
  const logger = createLogger('images', logLevel);
  await runService(async (): Promise<Service> => {
    const ended = waitForParent();
    const service = await openImageService(config, logger).catch(async (error: unknown) => {
      await sendToParent({ failure: error instanceof Error ? error.message : String(error) });
      throw error;
    });
    await sendToParent({ url: service.url });
    return { close: () => service.close(), ...omitUndefined({ ended }) };
  }, logger);
}

/** Returns once the message is sent or has failed, because this process may exit right after it. */
async function sendToParent(report: { readonly url: string } | { readonly failure: string }) {
  if (process.send !== undefined)
    await new Promise<void>((resolve) => process.send?.(report, () => resolve()));
}

/** Resolves when the process that started this one has ended, in whatever way. Undefined if there is none. */
function waitForParent(): Promise<void> | undefined {
  if (process.send === undefined) return undefined;
  return new Promise((resolve) => {
    process.once('disconnect', resolve);
    if (!process.connected) resolve();
  });
}

async function importFile({ directory }: ImageServiceConfig, words: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      arch: { type: 'string', default: 'x86_64' },
      kernel: { type: 'string' },
      initrd: { type: 'string' },
    },
  });
  const [rootfs, ...more] = positionals;
  const { name, arch, kernel, initrd } = values;
  if (rootfs === undefined || more.length > 0 || name === undefined || name === '')
    throw new Error(HELP);
  if (arch !== 'x86_64' && arch !== 'aarch64')
    throw new Error(`--arch: "${arch}" is not x86_64 or aarch64.`);
  const boot = omitUndefined({ kernel, initrd });
  return importImage(await preparePlace(directory), { name, arch, rootfs, ...boot });
}
