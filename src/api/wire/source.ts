import { z } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { CaReference, Source } from '../../core/source.js';
import { booleanParameter, pageParameters } from './query.js';
import { boundedText, MAX_NAME_V2, readOnly, text } from './values.js';

const method = z.literal('password').openapi({ type: 'string' });
const given = () => text().min(1);
/** Git reads credentials line by line, so control characters are refused. */
const credential = () =>
  given()
    .regex(/^[^\x00-\x1f\x7f]*$/, 'Must not contain control characters')
    .openapi({ writeOnly: true });

const CaCert = z.strictObject({
  configmap_name: given(),
  configmap_namespace: text().optional(),
});

const described = { description: text().optional(), ca_cert: CaCert.nullable().optional() };

export const SourceCreate = z
  .strictObject({
    name: boundedText(1, MAX_NAME_V2).optional(),
    clone_url: given(),
    ...described,
    credentials: z.strictObject({
      authentication_method: method.optional(),
      username: credential(),
      password: credential(),
    }),
  })
  .openapi('V3SourceCreate', {
    example: {
      name: 'site',
      clone_url: 'https://git.example.com/site.git',
      credentials: { username: 'cfs', password: 'not-this-one' },
    },
  });

export const SourceRestore = z
  .strictObject({
    clone_url: given(),
    ...described,
    credentials: z.strictObject({ authentication_method: method, secret_name: given() }),
  })
  .openapi('V3SourceRestore', {
    example: {
      clone_url: 'https://git.example.com/site.git',
      credentials: {
        authentication_method: 'password',
        secret_name: 'cfs-source-credentials-9a1f2c5e',
      },
    },
  });

export const SourceUpdate = z
  .strictObject({
    clone_url: given().optional(),
    ...described,
    credentials: z
      .strictObject({
        authentication_method: method.optional(),
        username: credential().optional(),
        password: credential().optional(),
        secret_name: readOnly(),
      })
      .optional(),
  })
  .openapi('V3SourceUpdate', { example: { description: 'Playbooks of the site' } });

export const SourceWire = z
  .object({
    name: z.string(),
    description: z.string().optional(),
    last_updated: z.string(),
    clone_url: z.string(),
    credentials: z.object({ authentication_method: z.string(), secret_name: z.string() }),
    ca_cert: CaCert.optional(),
  })
  .openapi('V3Source');

export const SourceQuery = z.object({
  in_use: booleanParameter('Whether a configuration or an option names it.'),
  ...pageParameters,
});

export const SourcePage = z
  .object({
    sources: z.array(SourceWire),
    next: z
      .object({ in_use: z.boolean().nullable(), limit: z.int(), after_id: z.string() })
      .nullable(),
  })
  .openapi('V3SourcePage');

export function toSourceWire(source: Source): z.output<typeof SourceWire> {
  const { name, description, lastUpdated, cloneUrl, secretName, caCert } = source;
  return omitUndefined({
    name,
    description,
    last_updated: lastUpdated,
    clone_url: cloneUrl,
    credentials: { authentication_method: 'password', secret_name: secretName },
    ca_cert: caCert && toCaWire(caCert),
  });
}

export function fromCaCert(
  caCert: z.output<typeof CaCert> | null | undefined,
): Pick<Source, 'caCert'> {
  if (caCert === null || caCert === undefined) return {};
  const { configmap_name: configmapName, configmap_namespace: namespace } = caCert;
  return {
    caCert: omitUndefined({ configmapName, configmapNamespace: namespace }),
  };
}

function toCaWire({ configmapName, configmapNamespace }: CaReference): z.output<typeof CaCert> {
  return omitUndefined({ configmap_name: configmapName, configmap_namespace: configmapNamespace });
}
