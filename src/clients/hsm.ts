import { ServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import {
  parseComponents,
  parseGroups,
  parsePartitions,
  requireObject,
  toPathText,
  type Complaint,
} from './hardware-state.js';
import { fetchJson } from './http.js';
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

/** Reads groups, partitions and nodes; fails unless it gets all three. */
export function createHsmClient(options: HsmOptions): HardwareClient {
  return {
    source: options.url,
    async fetchHardwareState(signal) {
      const [token, ca] = await Promise.all([
        readToken({ variable: 'HSM_TOKEN_FILE', path: options.tokenFile, reason: 'INVENTORY' }),
        readSetting({ variable: 'HSM_CA_FILE', path: options.caFile, reason: 'INVENTORY' }),
      ]);
      const rest = new AbortController();
      const fetch = (path: string) =>
        fetchJson(
          {
            url: `${options.url}/${path}`,
            service: SERVICE,
            reason: 'INVENTORY',
            ...omitUndefined({ token, ca }),
            timeoutSeconds: options.timeoutSeconds,
            maxBytes: MAX_BYTES,
          },
          AbortSignal.any([signal, rest.signal]),
        );
      try {
        const [groups, partitions, components] = await Promise.all([
          fetch('groups'),
          fetch('partitions'),
          fetch('State/Components?type=node'),
        ]);
        return parseAnswers(options.url, groups, partitions, components);
      } finally {
        rest.abort();
      }
    },
  };
}

function parseAnswers(url: string, groups: unknown, partitions: unknown, components: unknown) {
  const complain: Complaint = (path, fact) =>
    new ServiceError(
      'rejected',
      `${SERVICE} at ${url} gave an unusable answer: ${toPathText(path)} ${fact}.`,
      { reason: 'INVENTORY' },
    );
  const { Components: nodes } = requireObject(components, ['State/Components'], complain);
  return {
    groups: parseGroups(groups, complain),
    partitions: parsePartitions(partitions, complain),
    components: parseComponents(nodes, ['Components'], complain),
  };
}
