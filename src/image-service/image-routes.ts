import { randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { missing, ServiceError } from '../core/errors.js';
import { readBody } from './body.js';
import type { Bucket } from './bucket.js';
import type { RouteDependencies } from './dependencies.js';
import { checkLink } from './image-links.js';
import type { ImageRecord, Link } from './records.js';
import { imagePatch, newImage, toImageBody, type ImagePatch } from './wire.js';

const YES = new Set(['true', 'yes', 't', '1']);

/** `soft`: version 3, which ignores `cascade`, and whose deletes can be undone in IMS but not here. */
export function addImageRoutes(app: Hono, deps: RouteDependencies, soft: boolean): void {
  const { place, clock, imageTurn } = deps;
  const { images, bucket } = place;
  const inTurn = <T>(c: Context, act: () => Promise<T>) => imageTurn.take(act, c.req.raw.signal);
  const find = async (id: string) => {
    const image = await images.find(id);
    if (image === undefined) throw missing('Image', id);
    return image;
  };
  const isCascading = (cascade = 'true') => soft || YES.has(cascade.toLowerCase());

  app.get('/images', async (c) => c.json((await images.list()).map(toImageBody)));

  app.post('/images', async (c) => {
    const { link, ...given } = await readBody(c, newImage);
    const image = { id: randomUUID(), created: clock(), ...given };
    const saved = await inTurn(c, () => saveLinked(deps, image, link ?? undefined));
    return c.json(toImageBody(saved), 201);
  });

  app.get('/images/:id', async (c) => c.json(toImageBody(await find(c.req.param('id')))));

  app.patch('/images/:id', async (c) => {
    const patch = await readBody(c, imagePatch);
    const saved = await inTurn(c, async () => {
      const image = await find(c.req.param('id'));
      return saveLinked(deps, applyPatch(image, patch), findNewLink(image, patch));
    });
    return c.json(toImageBody(saved));
  });

  app.delete('/images/:id', async (c) => {
    await inTurn(c, async () => {
      const image = await find(c.req.param('id'));
      if (isCascading(c.req.query('cascade'))) await removeObjects(bucket, image);
      await images.remove(image.id);
    });
    return c.body(null, 204);
  });

  app.delete('/images', async (c) => {
    await inTurn(c, async () => {
      for (const image of await images.list()) {
        if (isCascading(c.req.query('cascade'))) await removeObjects(bucket, image);
        await images.remove(image.id);
      }
    });
    return c.body(null, 204);
  });
}

async function saveLinked(
  { place: { images, bucket } }: RouteDependencies,
  image: ImageRecord,
  link: Link | undefined,
): Promise<ImageRecord> {
  if (link !== undefined) await checkLink(bucket, await images.list(), link);
  const linked = link === undefined ? image : { ...image, link };
  await images.save(linked);
  return linked;
}

/** The link that the patch adds. Undefined if it adds none, or repeats the image's own. */
function findNewLink({ id, link }: ImageRecord, patch: ImagePatch): Link | undefined {
  if (patch.link === undefined || link === undefined) return patch.link;
  const { path, etag } = patch.link;
  if (link.path === path && link.etag === etag) return undefined;
  throw new ServiceError('conflict', `The image ${id} has another link already.`);
}

function applyPatch(image: ImageRecord, { arch, metadata }: ImagePatch): ImageRecord {
  const changed = arch === undefined ? image : { ...image, arch };
  if (metadata === undefined) return changed;
  const others = Object.entries(image.metadata).filter(([key]) => key !== metadata.key);
  const added = metadata.operation === 'set' ? [[metadata.key, metadata.value] as const] : [];
  return { ...changed, metadata: Object.fromEntries([...others, ...added]) };
}

/** Call this before removing the record, so that an interrupted delete can be repeated. */
async function removeObjects(bucket: Bucket, { link }: ImageRecord): Promise<void> {
  if (link === undefined) return;
  const reading = await bucket.readManifest(link.path);
  const artifacts = reading.kind === 'read' ? reading.artifacts : [];
  await bucket.removeObjects([...artifacts.map((artifact) => artifact.link.path), link.path]);
}
