import { randomUUID } from 'node:crypto';
import type { z } from '@hono/zod-openapi';
import { invalid, missing } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { isOtherServer, type Source } from '../core/source.js';
import { sealCredentials } from '../process/source-credentials.js';
import type { Store } from '../store/store.js';
import type { StoredSource } from '../store/configurations/source-store.js';
import { repeatWhileChanged } from './contention.js';
import type { ApiDependencies } from './dependencies.js';
import { findUrlFault } from './repository-url.js';
import {
  fromCaCert,
  type SourceCreate,
  type SourceRestore,
  type SourceUpdate,
} from './wire/source.js';
import { toSeconds } from './wire/values.js';

export async function createSource(
  { store, masterKey, gitProtocols, now }: ApiDependencies,
  body: z.output<typeof SourceCreate>,
): Promise<Source> {
  checkUrl(body.clone_url, gitProtocols);
  const source = toSource(body.name ?? body.clone_url, body, {
    secretName: `cfs-source-credentials-${randomUUID()}`,
    lastUpdated: toSeconds(now()),
  });
  checkName(source.name);
  await store.sources.insert(source, sealCredentials(masterKey, source.name, body.credentials));
  return source;
}

/** Stores a source whose credentials are already in Vault. They are not read before they are needed. */
export async function restoreSource(
  { store, gitProtocols, now }: ApiDependencies,
  name: string,
  body: z.output<typeof SourceRestore>,
): Promise<Source> {
  checkUrl(body.clone_url, gitProtocols);
  const source = fromSourceRestore(name, body, toSeconds(now()));
  await store.sources.insert(source);
  return source;
}

export function fromSourceRestore(
  name: string,
  body: z.output<typeof SourceRestore>,
  lastUpdated: string,
): Source {
  checkName(name);
  return toSource(name, body, { secretName: body.credentials.secret_name, lastUpdated });
}

export async function updateSource(
  deps: ApiDependencies,
  name: string,
  body: z.output<typeof SourceUpdate>,
): Promise<Source> {
  if (body.clone_url !== undefined) checkUrl(body.clone_url, deps.gitProtocols);
  return repeatWhileChanged(async () => {
    const changed = change(deps, await findSource(deps.store, name, 'Source not found.'), body);
    await deps.store.sources.replace(changed);
    return changed.source;
  });
}

export async function findSource(
  store: Store,
  name: string,
  title = 'Source not found',
): Promise<StoredSource> {
  const stored = await store.sources.find(name);
  if (stored === undefined) throw missing('Source', name, title);
  return stored;
}

function change(
  { masterKey, now }: ApiDependencies,
  stored: StoredSource,
  body: z.output<typeof SourceUpdate>,
): StoredSource {
  const { caCert, ...others } = stored.source;
  const source = {
    ...others,
    ...omitUndefined({ description: body.description, cloneUrl: body.clone_url }),
    ...changeCa(caCert, body.ca_cert),
    lastUpdated: toSeconds(now()),
  };
  const { credentials = {} } = body;
  if (Object.keys(credentials).length === 0) {
    requireSameServer(stored.source, source);
    return { ...stored, source };
  }
  const { username, password } = credentials;
  if (username === undefined || password === undefined)
    throw invalid("Both username and password are required - 'credentials'", 'Invalid credentials');
  return {
    ...stored,
    source,
    credentials: sealCredentials(masterKey, source.name, { username, password }),
  };
}

/** Like all objects of a PATCH, the given one is merged with the present one. */
function changeCa(
  caCert: Source['caCert'],
  given: z.output<typeof SourceUpdate>['ca_cert'],
): Pick<Source, 'caCert'> {
  if (given === undefined) return omitUndefined({ caCert });
  const { caCert: changed } = fromCaCert(given);
  return omitUndefined({ caCert: changed && { ...caCert, ...changed } });
}

/** Credentials are never shown, so nobody may have them sent to a server of their own either. */
function requireSameServer({ name, cloneUrl }: Source, changed: Source): void {
  if (!isOtherServer(cloneUrl, changed.cloneUrl)) return;
  throw invalid(
    `The credentials of source ${name} are for the server of ${cloneUrl}. Give those for the other server too - 'credentials'`,
    'Invalid credentials',
  );
}

function toSource(
  name: string,
  {
    clone_url,
    description,
    ca_cert,
  }: z.output<typeof SourceRestore> | z.output<typeof SourceCreate>,
  rest: Pick<Source, 'secretName' | 'lastUpdated'>,
): Source {
  return omitUndefined({
    name,
    description,
    cloneUrl: clone_url,
    ...fromCaCert(ca_cert),
    ...rest,
  });
}

function checkUrl(url: string, gitProtocols: string): void {
  const fault = findUrlFault(url, gitProtocols);
  if (fault !== undefined) throw invalid(`${fault} - 'clone_url'`);
}

const MAX_NAME = 255;

/** For names that no schema has checked, such as a URL that is used as the name. */
function checkName(name: string): void {
  if (Array.from(name).length > MAX_NAME)
    throw invalid(`The length must be 1 to ${MAX_NAME} - 'name'`);
}
