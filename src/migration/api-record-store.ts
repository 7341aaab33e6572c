import { CONFIGURATION, toV2, toV3 } from '../api/wire/v2-names.js';
import { exchangeJson, toRefusal, type JsonRequest } from '../clients/http.js';
import { isServiceError, ServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { RecordStore, Refusal, Written } from './record-store.js';
import {
  isMoved,
  isRecord,
  omit,
  toKey,
  toSourcePath,
  toOptionRecords,
  type Kind,
  type WireRecord,
} from './records.js';

export interface ApiRecordStoreOptions {
  /** The part before `/v3`, such as `http://cray-cfs-api` or `https://api.example.com/apis/cfs`. */
  readonly url: string;
  readonly token?: string;
  /** PEM. */
  readonly ca?: string;
}

const PAGE = 1_000;
const TIMEOUT_SECONDS = 300;
const MAX_BYTES = 256 * 1024 * 1024;

const NOT_FOUND = 404;
const FAILED = 500;

/** Sends a request, and returns the body of the answer. */
type Ask = (method: JsonRequest['method'], path: string, body?: unknown) => Promise<unknown>;
/** Returns the record at this path; undefined if there is none. */
type Find = (path: string) => Promise<WireRecord | undefined>;

/** A CFS of any make, through its API. */
export function createApiRecordStore({ url, token, ca }: ApiRecordStoreOptions): RecordStore {
  const base = url.replace(/\/+$/, '');
  const toRequest = (path: string) => ({
    url: `${base}${path}`,
    service: 'The API',
    reason: 'INTERNAL' as const,
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: MAX_BYTES,
    ...omitUndefined({ token, ca }),
  });
  const toAsk =
    (signal: AbortSignal): Ask =>
    async (method = 'GET', path, body) => {
      const request = { ...toRequest(path), method, ...omitUndefined({ body }) };
      return method === 'GET'
        ? (await exchangeJson(request, signal)).body
        : exchangeRecord(request, signal);
    };
  const toFind =
    (signal: AbortSignal): Find =>
    async (path) => {
      const request = { ...toRequest(path), alsoAccepted: [NOT_FOUND] };
      const { status, body } = await exchangeJson(request, signal);
      return status === NOT_FOUND || !isRecord(body) ? undefined : body;
    };
  return {
    name: base,
    read: (kind, signal) => readApi(toAsk(signal), kind),
    async write(kind, records, signal) {
      const ask = toAsk(signal);
      if (kind === 'options') return putOptions(ask, records);
      if (kind === 'sources')
        return writeEach(kind, records, (record) => putSource(ask, toFind(signal), record));
      if (kind === 'configurations')
        return writeEach(kind, records, (record) => putConfiguration(ask, record));
      return putComponents(ask, records);
    },
    async check(kind, records, signal) {
      if (kind !== 'options') return { refused: [], notes: [] };
      const unset = listUnset(await toAsk(signal)('GET', '/v3/options'), records);
      return {
        refused: [],
        notes: unset.map((key) => ({ key, why: 'is not set here, and may not be known' })),
      };
    },
  };
}

/** CFS answers 500 to some records that it cannot take, which says nothing of the others. A gateway's own 500 is no JSON. */
async function exchangeRecord(request: JsonRequest, signal: AbortSignal): Promise<unknown> {
  const asked: JsonRequest = { ...request, alsoAccepted: [FAILED], foreign: 'unavailable' };
  const answer = await exchangeJson(asked, signal);
  if (answer.status !== FAILED) return answer.body;
  throw new ServiceError('rejected', toRefusal(asked, answer).message, { reason: 'INTERNAL' });
}

async function* readApi(ask: Ask, kind: Kind): AsyncIterable<readonly WireRecord[]> {
  if (kind === 'options') {
    const records = requireRecords([await ask('GET', '/v3/options')]).flatMap(toOptionRecords);
    yield records.filter((record) => isMoved('options', record));
    return;
  }
  const details = kind === 'components' ? { state_details: 'true' } : {};
  let query = new URLSearchParams({ ...details, limit: String(PAGE) });
  for (;;) {
    const page = await ask('GET', `/v3/${kind}?${query.toString()}`);
    const { [kind]: records, next } = isRecord(page) ? page : {};
    yield requireRecords(records);
    if (!isRecord(next)) return;
    const members = Object.entries(next).filter(([, value]) => value !== null);
    query = new URLSearchParams(
      members.map(([name, value]): [string, string] => [name, String(value)]),
    );
  }
}

function requireRecords(value: unknown): readonly WireRecord[] {
  if (!Array.isArray(value) || !value.every(isRecord))
    throw new Error('The API answered with something other than a list of records.');
  return value;
}

/** `writeOne` returns a note if the record was not taken exactly as it is. */
async function writeEach(
  kind: Kind,
  records: readonly WireRecord[],
  writeOne: (record: WireRecord) => Promise<string | undefined>,
): Promise<Written> {
  const refused: Refusal[] = [];
  const notes: Refusal[] = [];
  for (const record of records) {
    const key = toKey(kind, record) ?? '';
    try {
      const note = await writeOne(record);
      if (note !== undefined) notes.push({ key, why: note });
    } catch (error) {
      refused.push({ key, why: readRefusal(error) });
    }
  }
  return { refused, notes };
}

/**
 * An option that a CFS neither shows nor takes is unknown to its version. One that it only does not show has not been set by
 * the service that uses it. v3 has the default playbook read-only, hence v2.
 */
async function putOptions(ask: Ask, records: readonly WireRecord[]): Promise<Written> {
  const unset = listUnset(await ask('GET', '/v3/options'), records);
  const { refused } = await writeEach('options', records, async ({ name, value }) => {
    if (name === 'default_playbook') await ask('PATCH', '/v2/options', { defaultPlaybook: value });
    else await ask('PATCH', '/v3/options', { [String(name)]: value });
    return undefined;
  });
  const unknown = refused.filter(({ key }) => unset.includes(key));
  return {
    refused: refused.filter((refusal) => !unknown.includes(refusal)),
    notes: unknown.map(({ key, why }) => ({ key, why: `is not known here: ${why}` })),
  };
}

function listUnset(options: unknown, records: readonly WireRecord[]): readonly string[] {
  const names = records.map(({ name }) => String(name));
  return names.filter((name) => !isRecord(options) || !Object.hasOwn(options, name));
}

/**
 * An existing source keeps its credentials, which are in that system's Vault. Once a `ca_cert` is null, CFS cannot replace it:
 * it answers 500. So null is only sent to remove one.
 */
async function putSource(
  ask: Ask,
  find: Find,
  { name, ...record }: WireRecord,
): Promise<string | undefined> {
  const path = toSourcePath(name);
  const known = await find(path);
  if (known === undefined) {
    await ask('POST', path, record);
    return undefined;
  }
  const { ca_cert: caCert, ...patch } = omit(record, 'credentials');
  await ask('PATCH', path, { ...patch, ...toCaChange(known['ca_cert'], caCert) });
  if (known['ca_cert'] !== null || caCert === undefined) return undefined;
  return 'is still without its ca_cert: it is null there, which CFS cannot change';
}

function toCaChange(there: unknown, wanted: unknown): WireRecord {
  if (wanted === undefined) return isRecord(there) ? { ca_cert: null } : {};
  return there === null ? {} : { ca_cert: wanted };
}

/** A request may name a branch or a commit. Sends the branch; if it has moved on, sends the recorded commit instead. */
async function putConfiguration(ask: Ask, record: WireRecord): Promise<string | undefined> {
  const { name, ...body } = record;
  const put = isOnlyForV2(record) ? putInV2 : putInV3;
  const path = `configurations/${encodeURIComponent(String(name))}`;
  const answer = await put(ask, path, mapReferences(body, dropCommit));
  const moved = listReferences(body).filter((reference, index) => {
    const now = listReferences(isRecord(answer) ? answer : {})[index];
    return (
      'branch' in reference && 'commit' in reference && now?.['commit'] !== reference['commit']
    );
  });
  if (moved.length === 0) return undefined;
  const pinned = (reference: WireRecord) =>
    moved.includes(reference) ? omit(reference, 'branch') : dropCommit(reference);
  await put(ask, path, mapReferences(body, pinned));
  const branches = moved.map(({ branch }) => String(branch)).join(', ');
  return `no longer at the recorded commit: ${branches}; kept the commit and left out the branch`;
}

/** Limits of v3. Longer names can only be given through v2. */
const MAX_NAME = 60;
const MAX_LAYER_NAME = 45;

/** v3 takes short names only, and no layer without a playbook. v2 does, but it has neither sources nor tenants. */
function isOnlyForV2(record: WireRecord): boolean {
  const { layers, tenant_name: tenant } = record;
  const references = listReferences(record);
  if (tenant !== undefined || references.some(({ source }) => source !== undefined)) return false;
  return (
    isLonger(record['name'], MAX_NAME) ||
    references.some(({ name }) => name === '' || isLonger(name, MAX_LAYER_NAME)) ||
    (Array.isArray(layers) &&
      layers.filter(isRecord).some(({ playbook }) => playbook === undefined))
  );
}

function isLonger(text: unknown, most: number): boolean {
  return typeof text === 'string' && Array.from(text).length > most;
}

function putInV3(ask: Ask, path: string, body: WireRecord): Promise<unknown> {
  return ask('PUT', `/v3/${path}`, body);
}

async function putInV2(ask: Ask, path: string, body: WireRecord): Promise<unknown> {
  return toV3(CONFIGURATION, await ask('PUT', `/v2/${path}`, toV2(CONFIGURATION, body)));
}

function dropCommit(reference: WireRecord): WireRecord {
  return 'branch' in reference ? omit(reference, 'commit') : reference;
}

/** The layers, followed by the additional inventory. */
function listReferences({ layers, additional_inventory: inventory }: WireRecord) {
  const all = [...(Array.isArray(layers) ? (layers as readonly unknown[]) : []), inventory];
  return all.filter(isRecord);
}

function mapReferences(body: WireRecord, map: (reference: WireRecord) => WireRecord): WireRecord {
  const { layers, additional_inventory: inventory } = body;
  return {
    ...body,
    ...(Array.isArray(layers) ? { layers: layers.filter(isRecord).map(map) } : {}),
    ...(isRecord(inventory) ? { additional_inventory: map(inventory) } : {}),
  };
}

/** Puts all at once. If that is refused, puts them one by one to find which are at fault. */
async function putComponents(ask: Ask, records: readonly WireRecord[]): Promise<Written> {
  try {
    await putSome(ask, records);
    return { refused: [], notes: [] };
  } catch (error) {
    if (!isServiceError(error) || error.fault !== 'rejected') throw error;
    return writeEach('components', records, (record) => putSome(ask, [record]));
  }
}

async function putSome(ask: Ask, records: readonly WireRecord[]): Promise<undefined> {
  await ask('PUT', '/v3/components', records.map(dropUnputtable));
  const appended = records.flatMap((record) =>
    listState(record)
      .filter((layer) => !isPuttable(layer))
      .map((layer) => ({ id: record['id'], state_append: toAppended(layer) })),
  );
  if (appended.length > 0) await ask('PATCH', '/v3/components', appended);
  const renamed = records.filter(hasNameOfV2).map(({ id, desired_config: name, error_count }) => ({
    ...{ id, desiredConfig: name, errorCount: error_count ?? 0 },
  }));
  if (renamed.length > 0) await ask('PATCH', '/v2/components', renamed);
}

function hasNameOfV2({ desired_config: name }: WireRecord): boolean {
  return isLonger(name, MAX_NAME);
}

/** `state` takes no `incomplete` layer, and none without a session. `state_append` takes both, the former at the end of the commit. */
function isPuttable({ status, session_name }: WireRecord): boolean {
  return status !== 'incomplete' && session_name !== undefined;
}

function toAppended(layer: WireRecord): WireRecord {
  if (layer['status'] !== 'incomplete') return layer;
  return { ...omit(layer, 'status'), commit: `${String(layer['commit'])}_incomplete` };
}

function dropUnputtable(record: WireRecord): WireRecord {
  const kept = hasNameOfV2(record) ? omit(record, 'desired_config') : record;
  return { ...kept, state: listState(record).filter(isPuttable) };
}

function listState({ state }: WireRecord): readonly WireRecord[] {
  return Array.isArray(state) ? state.filter(isRecord) : [];
}

/** Rethrows an error that is no refusal, such as an API that does not answer. */
function readRefusal(error: unknown): string {
  if (isServiceError(error) && error.fault === 'rejected') return error.message;
  throw error;
}
