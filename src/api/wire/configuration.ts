import { z } from '@hono/zod-openapi';
import type { Configuration, Layer, RepositoryReference } from '../../core/configuration.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import { booleanParameter, pageParameters } from './query.js';
import { CONFIGURATION, toV2, toV3 } from './v2-names.js';
import { boundedText, MAX_NAME_V2, readOnly, text, word } from './values.js';

const reference = {
  name: boundedText(1, 45).optional(),
  clone_url: word().optional(),
  source: text().optional(),
  commit: text()
    .regex(/^[a-f0-9]{40}$/, 'Must be 40 hexadecimal digits')
    .optional(),
  branch: word().optional(),
};

/**
 * Limit of a configuration's layers. Each layer is two containers of a pod. In the status of a pod the kubelet keeps 12 KiB of
 * what they report, so from some 204 on there would be no room for how long a log is, and from 330 for what ended a phase. Many
 * more layers would also exceed one object of etcd and the history of a workflow.
 */
const MAX_LAYERS = 100;

const specialParameters = z.strictObject({ ims_require_dkms: z.boolean().optional() });

export function layersOf<T extends z.ZodType>(layer: T) {
  return z.array(layer).max(MAX_LAYERS, `Must not have more than ${MAX_LAYERS} layers`);
}

const LayerPut = z
  .strictObject({
    ...reference,
    playbook: word(),
    special_parameters: specialParameters.optional(),
  })
  .openapi('V3LayerPut');
/** A layer that was stored through v2 may have no playbook, and a longer name. */
export const LayerWire = LayerPut.extend({
  name: z.string().optional(),
  playbook: word().optional(),
}).openapi('V3Layer');
const InventoryLayerPut = z.strictObject(reference).openapi('V3InventoryLayerPut');
/** One that was stored through v2 may have a longer name. */
const InventoryLayerWire = InventoryLayerPut.extend({ name: z.string().optional() }).openapi(
  'V3InventoryLayer',
);

export const ConfigurationPut = z
  .strictObject({
    name: readOnly(),
    last_updated: readOnly(),
    description: text().optional(),
    tenant_name: text().optional(),
    layers: layersOf(LayerPut),
    additional_inventory: InventoryLayerPut.optional(),
  })
  .openapi('V3ConfigurationPut', {
    example: {
      layers: [
        { clone_url: 'https://git.example.com/site.git', branch: 'main', playbook: 'site.yml' },
      ],
    },
  });

export const ConfigurationWire = z
  .object({
    name: z.string(),
    description: z.string().optional(),
    tenant_name: z.string().optional(),
    last_updated: z.string(),
    layers: z.array(LayerWire),
    additional_inventory: InventoryLayerWire.optional(),
  })
  .openapi('V3Configuration');

const referenceV2 = {
  name: boundedText(0, MAX_NAME_V2).optional(),
  cloneUrl: word().min(1),
  commit: reference.commit,
  branch: reference.branch,
};

const LayerPutV2 = z
  .strictObject({
    ...referenceV2,
    playbook: word().optional(),
    specialParameters: z.strictObject({ imsRequireDkms: z.boolean().optional() }).optional(),
  })
  .openapi('V2Layer');
const InventoryLayerPutV2 = z.strictObject(referenceV2).openapi('V2InventoryLayer');

export const ConfigurationPutV2 = z
  .strictObject({
    name: readOnly(),
    lastUpdated: readOnly(),
    description: text().optional(),
    layers: layersOf(LayerPutV2),
    additional_inventory: InventoryLayerPutV2.optional(),
  })
  .openapi('V2ConfigurationPut', {
    example: { layers: [{ cloneUrl: 'https://git.example.com/site.git', branch: 'main' }] },
  });

/** A layer that was stored through v3 with a source has no URL. */
const answered = { cloneUrl: z.string().optional() };

export const ConfigurationWireV2 = z
  .object({
    name: z.string(),
    description: z.string().optional(),
    lastUpdated: z.string(),
    layers: z.array(LayerPutV2.extend(answered).openapi('V2LayerAnswer')),
    additional_inventory: InventoryLayerPutV2.extend(answered)
      .openapi('V2InventoryLayerAnswer')
      .optional(),
  })
  .openapi('V2Configuration');

export const ConfigurationQuery = z.object({
  in_use: booleanParameter('Whether a component is to have it.'),
  ...pageParameters,
});

export const ConfigurationPage = z
  .object({
    configurations: z.array(ConfigurationWire),
    next: z
      .object({ in_use: z.boolean().nullable(), limit: z.int(), after_id: z.string() })
      .nullable(),
  })
  .openapi('V3ConfigurationPage');

/** The body of both versions, with the names of v3. In v2 a layer may have no playbook. */
export type ConfigurationBody = Omit<z.output<typeof ConfigurationPut>, 'layers'> & {
  readonly layers: readonly LayerBody[];
};

type LayerBody = z.output<typeof LayerWire>;
type ReferenceBody = z.output<typeof InventoryLayerWire>;

export function fromConfigurationPut(
  name: string,
  body: ConfigurationBody,
  lastUpdated: string,
): Configuration {
  const inventory = body.additional_inventory ?? {};
  return omitUndefined({
    name,
    description: body.description,
    tenantName: body.tenant_name,
    lastUpdated,
    layers: body.layers.map(fromLayer),
    additionalInventory: Object.keys(inventory).length === 0 ? undefined : fromReference(inventory),
  });
}

export function toConfigurationWire(
  configuration: Configuration,
): z.output<typeof ConfigurationWire> {
  const { additionalInventory } = configuration;
  return omitUndefined({
    name: configuration.name,
    description: configuration.description,
    tenant_name: configuration.tenantName,
    last_updated: configuration.lastUpdated,
    layers: configuration.layers.map(toLayerWire),
    additional_inventory: additionalInventory && toReferenceWire(additionalInventory),
  });
}

export function fromConfigurationPutV2(
  body: z.output<typeof ConfigurationPutV2>,
): ConfigurationBody {
  return toV3(CONFIGURATION, body) as ConfigurationBody;
}

export function toConfigurationWireV2(
  configuration: Configuration,
): z.output<typeof ConfigurationWireV2> {
  return toV2(CONFIGURATION, toConfigurationWire(configuration)) as z.output<
    typeof ConfigurationWireV2
  >;
}

function fromLayer(body: LayerBody): Layer {
  return omitUndefined({
    ...fromReference(body),
    playbook: body.playbook,
    imsRequireDkms: body.special_parameters?.ims_require_dkms,
  });
}

export function toLayerWire(layer: Layer): LayerBody {
  const { playbook, imsRequireDkms: dkms } = layer;
  return omitUndefined({
    ...toReferenceWire(layer),
    playbook,
    special_parameters: dkms === undefined ? undefined : { ims_require_dkms: dkms },
  });
}

function fromReference({ name, clone_url, source, commit, branch }: ReferenceBody) {
  return omitUndefined({
    name,
    cloneUrl: clone_url,
    source,
    commit,
    branch,
  }) satisfies RepositoryReference;
}

function toReferenceWire(reference: RepositoryReference): ReferenceBody {
  const { name, cloneUrl, source, commit, branch } = reference;
  return omitUndefined({ name, clone_url: cloneUrl, source, commit, branch });
}
