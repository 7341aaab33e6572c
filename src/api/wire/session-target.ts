import { z } from '@hono/zod-openapi';
import type { Target } from '../../core/session.js';
import { text } from './values.js';

const definition = z.enum(['image', 'spec', 'repo', 'dynamic']);
const group = z.object({ name: text(), members: z.array(text()) });
const imageMapEntry = z.object({ source_id: text(), result_name: text() });

/**
 * The only object in requests that may have unknown members; they are dropped, as CFS does. Null is accepted as well: answers
 * have null for members that are not set, and clients send answers back.
 */
export const TargetCreate = z
  .object({
    definition: definition.default('dynamic').openapi({
      description:
        'Where hosts come from. `dynamic`: the hardware state manager; `spec`: `groups`; `repo`: only the additional inventory; `image`: the images in `groups` are customized.',
    }),
    groups: z.array(group).nullish().openapi({
      description: 'For `spec`, with names of hosts; for `image`, with ids of images.',
    }),
    image_map: z.array(imageMapEntry).nullish().openapi({
      description: 'Names of the new images; default: `<name of the source>_cfs_<session>`.',
    }),
  })
  .openapi('SessionTargetCreate');

export const TargetWire = z
  .object({
    definition,
    groups: z.array(group).nullable(),
    image_map: z.array(imageMapEntry).nullable(),
  })
  .openapi('SessionTarget');

export function fromTarget(target: z.output<typeof TargetCreate>): Target {
  return {
    definition: target.definition,
    ...(target.groups == null ? {} : { groups: target.groups }),
    ...(target.image_map == null
      ? {}
      : {
          imageMap: target.image_map.map(({ source_id, result_name }) => ({
            sourceId: source_id,
            resultName: result_name,
          })),
        }),
  };
}

export function toTargetWire({
  definition,
  groups,
  imageMap,
}: Target): z.output<typeof TargetWire> {
  return {
    definition,
    groups: groups?.map(({ name, members }) => ({ name, members: [...members] })) ?? null,
    image_map:
      imageMap?.map(({ sourceId, resultName }) => ({
        source_id: sourceId,
        result_name: resultName,
      })) ?? null,
  };
}
