import { createHash } from 'node:crypto';
import type { V1OwnerReference, V1Secret } from '@kubernetes/client-node';
import type { StagedFiles } from './runner.js';

/** Kubernetes accepts 1 MiB for all values of a Secret; this leaves room for its keys and the rest of the object. */
const MAX_SECRET_BYTES = 1_000_000;
const PART_DIGITS = 4;

/** Key → content. */
export type SecretContent = Readonly<Record<string, Uint8Array>>;

/**
 * Distributes staged files over as many Secrets as they need. A file that does not fit into one is split: `inventory.gz`
 * becomes `inventory.gz.0000`, `inventory.gz.0001` and so on, which `job/` joins again.
 */
export function packFiles(files: StagedFiles): readonly SecretContent[] {
  const secrets: Record<string, Uint8Array>[] = [];
  let room = 0;
  const put = (key: string, bytes: Uint8Array) => {
    if (secrets.length === 0 || bytes.length > room) {
      secrets.push({});
      room = MAX_SECRET_BYTES;
    }
    (secrets.at(-1) ?? {})[key] = bytes;
    room -= bytes.length;
  };
  for (const [name, content] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (content.length <= MAX_SECRET_BYTES) put(name, content);
    else
      for (let begin = 0, part = 0; begin < content.length; begin += MAX_SECRET_BYTES, part += 1)
        put(toPartName(name, part), content.subarray(begin, begin + MAX_SECRET_BYTES));
  }
  return secrets;
}

/** Digest of all keys and values, in the order of the Secrets. Their names do not count. */
export function digestSecrets(secrets: readonly SecretContent[]): string {
  const hash = createHash('sha256');
  for (const secret of secrets) {
    hash.update(`${Object.keys(secret).length}\n`);
    for (const [key, bytes] of Object.entries(secret))
      hash.update(`${key} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

export function renderSecret(
  name: string,
  labels: Readonly<Record<string, string>>,
  owner: { readonly name: string; readonly uid: string },
  content: SecretContent,
): V1Secret {
  const reference: V1OwnerReference = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    ...owner,
    controller: true,
    blockOwnerDeletion: false,
  };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: { ...labels }, ownerReferences: [reference] },
    type: 'Opaque',
    immutable: true,
    data: Object.fromEntries(
      Object.entries(content).map(([key, bytes]) => [key, Buffer.from(bytes).toString('base64')]),
    ),
  };
}

function toPartName(name: string, part: number): string {
  return `${name}.${String(part).padStart(PART_DIGITS, '0')}`;
}
