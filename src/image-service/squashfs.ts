import { runTool, type ToolOptions } from './run-tool.js';
import type { ImageTools } from './tools.js';

/** From 1 to 22. The default of mksquashfs, 15, takes several times as long and saves a few percent. */
const COMPRESSION_LEVEL = '6';

/** Restores owners, modes, devices, links and extended attributes. Whatever cannot be created is an error. */
export async function unpackRoot(
  { unsquashfs }: ImageTools,
  { file, root }: { readonly file: string; readonly root: string },
  options: ToolOptions,
): Promise<void> {
  await runTool([unsquashfs, '-no-progress', '-dest', root, file], options);
}

/** Packs everything in the root. */
export async function packRoot(
  { mksquashfs }: ImageTools,
  { root, file }: { readonly root: string; readonly file: string },
  options: ToolOptions,
): Promise<void> {
  const compression = ['-comp', 'zstd', '-Xcompression-level', COMPRESSION_LEVEL];
  const how = ['-noappend', '-no-progress', '-quiet', '-exit-on-error', ...compression];
  await runTool([mksquashfs, root, file, ...how], options);
}
