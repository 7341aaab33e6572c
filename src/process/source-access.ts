import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenSource } from '../clients/interfaces.js';
import type { VaultClient } from '../clients/vault.js';
import { ServiceError } from '../core/errors.js';
import type { CaReference, SourceCredentials } from '../core/source.js';
import type { SourceStore, StoredSource } from '../store/configurations/source-store.js';
import { openCredentials } from './source-credentials.js';

export interface SourceAccessOptions {
  readonly store: Pick<SourceStore, 'find'>;
  readonly masterKey: Uint8Array;
  readonly vault?: VaultClient;
  readonly caDirectory?: string;
}

/** Reads everything at each call, because credentials rotate and certificates expire. */
export function createOpenSource(options: SourceAccessOptions): OpenSource {
  return async (name, signal) => {
    const stored = await options.store.find(name);
    if (stored === undefined)
      throw new ServiceError('missing', `The source ${name} does not exist.`, {
        reason: 'GIT_CLONE',
      });
    const { cloneUrl, caCert } = stored.source;
    const credentials = await readCredentials(options, stored, signal);
    const ca = caCert === undefined ? {} : { ca: await readCa(options, name, caCert) };
    return { url: cloneUrl, access: { credentials, ...ca } };
  };
}

async function readCredentials(
  { masterKey, vault }: SourceAccessOptions,
  { source: { name, secretName }, credentials }: StoredSource,
  signal: AbortSignal,
): Promise<SourceCredentials> {
  if (credentials !== undefined) return openCredentials(masterKey, name, credentials);
  if (vault === undefined)
    throw fault(
      `The credentials of source ${name} are in Vault, but VAULT_ADDR is not set. Set it, or give the source other credentials with a PATCH.`,
    );
  return vault.readCredentials(secretName, signal);
}

async function readCa(
  { caDirectory }: SourceAccessOptions,
  source: string,
  { configmapName }: CaReference,
): Promise<string> {
  if (caDirectory === undefined)
    throw fault(`The source ${source} has a ca_cert, but SOURCE_CA_DIRECTORY is not set.`);
  if (!/^[a-z0-9][-.a-z0-9]*$/.test(configmapName))
    throw fault(`The source ${source} has a ca_cert whose configmap_name is not a valid name.`);
  try {
    return await readFile(await findCaFile(join(caDirectory, configmapName)), 'utf8');
  } catch {
    throw fault(
      `The source ${source} has the ca_cert ${configmapName}, which cannot be read from SOURCE_CA_DIRECTORY.`,
    );
  }
}

/** The path itself, or the first key of a mounted ConfigMap. Hidden entries are not keys. */
async function findCaFile(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return path;
  const names = (await readdir(path)).filter((name) => !name.startsWith('.'));
  return join(path, names.sort()[0] ?? '');
}

function fault(message: string): ServiceError {
  return new ServiceError('rejected', message, { reason: 'GIT_CLONE' });
}
