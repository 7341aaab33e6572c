import type { RecordStore, Refusal } from './record-store.js';
import {
  compare,
  isMoved,
  isRecord,
  strip,
  toKey,
  toSourcePath,
  type Change,
  type Kind,
  type WireRecord,
} from './records.js';

export interface KindReport {
  readonly kind: Kind;
  readonly read: number;
  readonly added: readonly string[];
  readonly changed: readonly { readonly key: string; readonly changes: readonly Change[] }[];
  /** Equal on both sides. */
  readonly same: number;
  /** Records at the destination that the import does not have. They stay. */
  readonly onlyThere: number;
  readonly refused: readonly Refusal[];
  readonly notes: readonly Refusal[];
}

export interface MoveOptions {
  readonly dryRun: boolean;
  /** Called after each write, with the number of records so far. */
  readonly onProgress: (done: number) => void;
  readonly signal: AbortSignal;
}

const AT_ONCE = 1_000;

/** Writes what differs, so a repeat finds nothing to do. */
export async function importKind(
  recordStore: RecordStore,
  kind: Kind,
  records: readonly WireRecord[],
  { dryRun, onProgress, signal }: MoveOptions,
): Promise<KindReport> {
  const there = await readAll(recordStore, kind, signal);
  const plan = planImport(kind, records, there);
  const refused = [...plan.refused];
  const notes = [...plan.notes];
  const act = (some: readonly WireRecord[]) =>
    dryRun ? recordStore.check(kind, some, signal) : recordStore.write(kind, some, signal);
  for (let first = 0; first < plan.toWrite.length; first += AT_ONCE) {
    const some = plan.toWrite.slice(first, first + AT_ONCE);
    const written = await act(some);
    refused.push(...written.refused);
    notes.push(...written.notes);
    onProgress(first + some.length);
  }
  const failed = new Set(refused.map(({ key }) => key));
  // Options that a CFS of another version knows and this one does not.
  const unknown = kind === 'options' ? new Set(notes.map(({ key }) => key)) : failed;
  return {
    ...{ kind, read: plan.read, same: plan.same, onlyThere: plan.onlyThere, refused },
    notes: notes.filter(({ key }) => !failed.has(key)),
    added: plan.added.filter((key) => !failed.has(key) && !unknown.has(key)),
    changed: plan.changed.filter(({ key }) => !failed.has(key)),
  };
}

interface Plan extends Omit<KindReport, 'kind'> {
  readonly toWrite: readonly WireRecord[];
}

/** `there`: the records of the destination by key, as `readAll` returns them. */
function planImport(
  kind: Kind,
  records: readonly WireRecord[],
  there: ReadonlyMap<string, string>,
): Plan {
  const moved = records.filter((record) => isMoved(kind, record));
  const left = new Set(there.keys());
  const added: string[] = [];
  const changed: { key: string; changes: readonly Change[] }[] = [];
  const refused: Refusal[] = [];
  const notes: Refusal[] = [];
  const toWrite: WireRecord[] = [];
  for (const record of moved) {
    const key = toKey(kind, record);
    if (key === undefined) {
      refused.push({ key: '', why: 'It has no name.' });
      continue;
    }
    const wanted = strip(kind, record);
    const known = left.delete(key) ? there.get(key) : undefined;
    const isNew = known === undefined;
    const changes = isNew ? [] : compare(JSON.parse(known) as WireRecord, wanted);
    if (!isNew && changes.length === 0) continue;
    if (isNew) added.push(key);
    else changed.push({ key, changes });
    toWrite.push(wanted);
    if (kind === 'sources' && (isNew || changes.some(isOfCredentials)))
      notes.push({ key, why: renderMissingCredentials(wanted) });
  }
  const same = moved.length - refused.length - toWrite.length;
  const onlyThere = kind === 'options' ? 0 : left.size;
  return { read: moved.length, added, changed, same, onlyThere, refused, notes, toWrite };
}

function isOfCredentials({ member }: Change): boolean {
  return member === 'credentials';
}

/** No API shows the credentials of a source, only the name of their secret. */
function renderMissingCredentials({ name, credentials }: WireRecord): string {
  const patch = `by PATCH ${toSourcePath(name)}`;
  if (!isRecord(credentials))
    return `comes without credentials: give them ${patch} if it needs any`;
  const secret = String(credentials['secret_name']);
  return `comes without credentials: they must be in Vault, as the secret ${secret}, or be given ${patch}`;
}

/** Kept as text, in which a hundred thousand components take a tenth of the memory. */
async function readAll(
  recordStore: RecordStore,
  kind: Kind,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for await (const records of recordStore.read(kind, signal)) {
    for (const record of records) {
      const key = toKey(kind, record);
      if (key !== undefined) all.set(key, JSON.stringify(strip(kind, record)));
    }
  }
  return all;
}
