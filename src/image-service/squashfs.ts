import { runTool, type ToolOptions } from './run-tool.js';
import type { ImageTools } from './tools.js';

/** Of 1 to 22; mksquashfs's own default, 15, takes several times as long for a few percent. */
const COMPRESSION_LEVEL = '6';

/** Owners, modes, devices, links and extended attributes as they are; whatever cannot be made is an error. */
export async function unpackRoot(
  { unsquashfs }: ImageTools,
  { file, root }: { readonly file: string; readonly root: string },
  options: ToolOptions,
): Promise<void> {
  await runTool([unsquashfs, '-no-progress', '-dest', root, file], options);
}

/** Everything that is in the root; nothing is left out. */
export async function packRoot(
  { mksquashfs }: ImageTools,
  { root, file }: { readonly root: string; readonly file: string },
  options: ToolOptions,
): Promise<void> {
  const compression = ['-comp', 'zstd', '-Xcompression-level', COMPRESSION_LEVEL];
  const how = ['-noappend', '-no-progress', '-quiet', '-exit-on-error', ...compression];
  await runTool([mksquashfs, root, file, ...how], options);
}
