import { isServiceError, ServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import {
  parseComponents,
  parseGroups,
  parsePartitions,
  requireObject,
  toPathText,
  type Complaint,
} from './hardware-state.js';
import { fetchJson, readMember } from './http.js';
import type { HardwareClient } from './interfaces.js';
import { readSetting, readToken } from './settings.js';

export interface HsmOptions {
  /** `http://cray-smd/hsm/v2` */
  readonly url: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  /** Limit of each call. */
  readonly timeoutSeconds: number;
}

const SERVICE = 'The hardware state manager';
/** A system of 100,000 nodes answers with about 25 MiB. */
const MAX_BYTES = 256 * 1024 * 1024;

const NODES = 'State/Components?type=node';
/** Includes nodes that run on other nodes, which HSM does not count as nodes. */
const ALL_NODES = `${NODES}&type=virtualnode`;

/** Reads groups, partitions and nodes; fails unless it gets all three. */
export function createHsmClient(options: HsmOptions): HardwareClient {
  const complain: Complaint = (path, fact) =>
    new ServiceError(
      'rejected',
      `${SERVICE} at ${options.url} gave an unusable answer: ${toPathText(path)} ${fact}.`,
      { reason: 'INVENTORY' },
    );
  return {
    source: options.url,
    async fetchHardwareState(signal) {
      const answers = await fetchAll(options, ['groups', 'partitions', NODES], signal);
      const [groups, partitions, nodes] = answers;
      return {
        groups: parseGroups(groups, complain),
        partitions: parsePartitions(partitions, complain),
        components: parseNodes(nodes, complain),
      };
    },
    async fetchNodes(signal) {
      const [nodes] = await fetchAll(options, [ALL_NODES], signal).catch((error: unknown) => {
        // HSM before 2.13 refuses the type, which it does not know. Whatever else is wrong, this read meets it, too.
        if (!isServiceError(error) || error.fault !== 'rejected') throw error;
        return fetchAll(options, [NODES], signal);
      });
      return parseNodes(nodes, complain);
    },
  };
}

/** If one read fails, the others are broken off. */
async function fetchAll(
  { url, tokenFile, caFile, timeoutSeconds }: HsmOptions,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const reason = 'INVENTORY' as const;
  const [token, ca] = await Promise.all([
    readToken({ variable: 'HSM_TOKEN_FILE', path: tokenFile, reason }),
    readSetting({ variable: 'HSM_CA_FILE', path: caFile, reason }),
  ]);
  const rest = new AbortController();
  const request = {
    ...{ service: SERVICE, reason, timeoutSeconds, maxBytes: MAX_BYTES },
    ...omitUndefined({ token, ca }),
  } as const;
  const both = AbortSignal.any([signal, rest.signal]);
  try {
    return await Promise.all(
      paths.map((path) => fetchJson({ ...request, url: `${url}/${path}` }, both)),
    );
  } finally {
    rest.abort();
  }
}

/** HSM can list a node with an empty id, which CFS's hardware sync leaves out, too. It must not stop all others. */
function parseNodes(answer: unknown, complain: Complaint) {
  const { Components: nodes } = requireObject(answer, ['State/Components'], complain);
  const named = Array.isArray(nodes)
    ? nodes.filter((node) => readMember(node, 'ID') !== '')
    : nodes;
  return parseComponents(named, ['Components'], complain);
}
