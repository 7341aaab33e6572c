import { z } from '@hono/zod-openapi';
import type { Configuration, Layer, RepositoryReference } from '../../core/configuration.js';
import { booleanParameter, pageParameters } from './query.js';
import { boundedText, readOnly, text, word } from './values.js';

const reference = {
  name: boundedText(1, 45).optional(),
  clone_url: word().optional(),
  source: text().optional(),
  commit: text()
    .regex(/^[a-f0-9]{40}$/, 'Must be 40 hexadecimal digits')
    .optional(),
  branch: word().optional(),
};

const specialParameters = z.strictObject({ ims_require_dkms: z.boolean().optional() });

const LayerWire = z
  .strictObject({
    ...reference,
    playbook: word(),
    special_parameters: specialParameters.optional(),
  })
  .openapi('V3Layer');
const InventoryLayerWire = z.strictObject(reference).openapi('V3InventoryLayer');

export const ConfigurationPut = z
  .strictObject({
    name: readOnly(),
    last_updated: readOnly(),
    description: text().optional(),
    tenant_name: text().optional(),
    layers: z.array(LayerWire),
    additional_inventory: InventoryLayerWire.optional(),
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

export const ConfigurationQuery = z.object({
  in_use: booleanParameter('Whether a component wants it.'),
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

type LayerBody = z.output<typeof LayerWire>;
type ReferenceBody = z.output<typeof InventoryLayerWire>;

export function fromConfigurationPut(
  name: string,
  body: z.output<typeof ConfigurationPut>,
  lastUpdated: string,
): Configuration {
  const inventory = body.additional_inventory;
  return {
    name,
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(body.tenant_name === undefined ? {} : { tenantName: body.tenant_name }),
    lastUpdated,
    layers: body.layers.map(fromLayer),
    ...(inventory === undefined || Object.keys(inventory).length === 0
      ? {}
      : { additionalInventory: fromReference(inventory) }),
  };
}

export function toConfigurationWire(
  configuration: Configuration,
): z.output<typeof ConfigurationWire> {
  const { description, tenantName, additionalInventory } = configuration;
  return {
    name: configuration.name,
    ...(description === undefined ? {} : { description }),
    ...(tenantName === undefined ? {} : { tenant_name: tenantName }),
    last_updated: configuration.lastUpdated,
    layers: configuration.layers.map(toLayerWire),
    ...(additionalInventory === undefined
      ? {}
      : { additional_inventory: toReferenceWire(additionalInventory) }),
  };
}

function fromLayer(body: LayerBody): Layer {
  const dkms = body.special_parameters?.ims_require_dkms;
  return {
    ...fromReference(body),
    playbook: body.playbook,
    ...(dkms === undefined ? {} : { imsRequireDkms: dkms }),
  };
}

function toLayerWire(layer: Layer): LayerBody {
  return {
    ...toReferenceWire(layer),
    playbook: layer.playbook,
    ...(layer.imsRequireDkms === undefined
      ? {}
      : { special_parameters: { ims_require_dkms: layer.imsRequireDkms } }),
  };
}

function fromReference({ name, clone_url, source, commit, branch }: ReferenceBody) {
  return {
    ...(name === undefined ? {} : { name }),
    ...(clone_url === undefined ? {} : { cloneUrl: clone_url }),
    ...(source === undefined ? {} : { source }),
    ...(commit === undefined ? {} : { commit }),
    ...(branch === undefined ? {} : { branch }),
  } satisfies RepositoryReference;
}

function toReferenceWire(reference: RepositoryReference): ReferenceBody {
  const { name, cloneUrl, source, commit, branch } = reference;
  return {
    ...(name === undefined ? {} : { name }),
    ...(cloneUrl === undefined ? {} : { clone_url: cloneUrl }),
    ...(source === undefined ? {} : { source }),
    ...(commit === undefined ? {} : { commit }),
    ...(branch === undefined ? {} : { branch }),
  };
}
