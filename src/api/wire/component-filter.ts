import { z } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ComponentFilter } from '../../store/store.js';
import { ComponentBody, ComponentList, ComponentWire } from './component.js';
import { ComponentBodyV2, ComponentListV2 } from './component-v2.js';
import {
  booleanParameter,
  choiceParameter,
  pageParameters,
  parseTags,
  textParameter,
} from './query.js';
import { text } from './values.js';

const STATUSES = ['unconfigured', 'failed', 'pending', 'configured'] as const;

const common = {
  ids: textParameter('Ids, separated by commas.'),
  enabled: booleanParameter('Whether the component is configured automatically.'),
  tags: textParameter('`name=value`, separated by commas; all must match.'),
};
const configDetails = booleanParameter('Include the layers that the component is to have.');

export const ComponentDetails = z.object({
  state_details: booleanParameter('Include the layers that the component has.'),
  config_details: configDetails,
});
export const ComponentDetailsV2 = z.object({ configDetails });

export const ComponentQuery = z.object({
  ...common,
  status: choiceParameter([...STATUSES, ''], 'Empty: any.'),
  config_name: textParameter('Name of the configuration that the component is to have.'),
  ...ComponentDetails.shape,
  ...pageParameters,
});
export const ComponentQueryV2 = z.object({
  ...common,
  status: choiceParameter(STATUSES, 'Absent: any.'),
  configName: textParameter('Name of the configuration that the component is to have.'),
  configDetails,
});

/** Filters in a body. Unknown ones are ignored. */
const filters = {
  ids: text().optional(),
  enabled: z.boolean().optional(),
  tags: text().optional(),
};
const FiltersV3 = z.object({
  ...filters,
  status: z.enum([...STATUSES, '']).optional(),
  config_name: text().optional(),
});
const FiltersV2 = z.object({
  ...filters,
  status: z.enum(STATUSES).optional(),
  configName: text().optional(),
});
const example = { patch: { enabled: true }, filters: { ids: 'x1000c0s0b0n0' } };

/** Unknown members beside the two are ignored, too. */
export const ComponentFilterPatch = z.object({ patch: ComponentBody, filters: FiltersV3 });
export const ComponentPatches = z
  .union([ComponentList, ComponentFilterPatch])
  .openapi('V3ComponentPatches', { example });
export const ComponentFilterPatchV2 = z.object({ patch: ComponentBodyV2, filters: FiltersV2 });
export const ComponentPatchesV2 = z
  .union([ComponentListV2, ComponentFilterPatchV2])
  .openapi('V2ComponentPatches', { example });

const ComponentNext = z.object({
  ids: z.string(),
  status: z.string(),
  enabled: z.boolean().nullable(),
  config_name: z.string(),
  state_details: z.boolean(),
  config_details: z.boolean(),
  tags: z.string(),
  limit: z.int(),
  after_id: z.string(),
});

export const ComponentPage = z
  .object({ components: z.array(ComponentWire), next: ComponentNext.nullable() })
  .openapi('V3ComponentPage');

export interface Filters {
  readonly ids?: string | undefined;
  readonly status?: (typeof STATUSES)[number] | '' | undefined;
  readonly enabled?: boolean | undefined;
  readonly config_name?: string | undefined;
  readonly configName?: string | undefined;
  readonly tags?: string | undefined;
}

/** Takes the filters of both versions. An empty filter counts as absent. */
export function fromComponentFilters(given: Filters): ComponentFilter {
  const { ids = '', status = '', enabled } = given;
  const configName = given.config_name ?? given.configName ?? '';
  const tags = parseTags(given.tags);
  return {
    ...(ids === '' ? {} : { ids: ids.split(',') }),
    ...(status === '' ? {} : { status }),
    ...(configName === '' ? {} : { configName }),
    ...omitUndefined({ enabled, tags }),
  };
}

/** All parameters of the operation with their effective values; a client sends them to get the next page. */
export function toComponentNext(
  query: z.output<typeof ComponentQuery>,
  limit: number,
  lastId: string,
): z.output<typeof ComponentNext> {
  return {
    ids: query.ids ?? '',
    status: query.status ?? '',
    enabled: query.enabled ?? null,
    config_name: query.config_name ?? '',
    state_details: query.state_details ?? false,
    config_details: query.config_details ?? false,
    tags: query.tags ?? '',
    limit,
    after_id: lastId,
  };
}
