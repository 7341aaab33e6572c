import { countSilent, type Silence } from '../../core/silence.js';
import type { Connection, Database } from '../database/database.js';
import { inParts } from '../database/parts.js';
import type { PhaseStore, SilenceReport, SilenceTurn } from '../store.js';
import { requireOpen, toSilence, type StoredSilence } from './phase-rows.js';

/** Hosts that are silent while a phase runs. */
export function createSilenceStore(
  database: Database,
): Pick<PhaseStore, 'tellSilence' | 'silences' | 'countSilentHosts'> {
  return {
    tellSilence: (jobId, phase, report) => tellSilence(database, jobId, phase, report),
    silences: (jobIds) => findSilences(database, jobIds),
    countSilentHosts: async () => {
      const rows = await database.read((db) => selectSilent(db).execute());
      return rows
        .flatMap(({ silence }) => toSilence(silence) ?? [])
        .reduce((sum, silence) => sum + countSilent(silence), 0);
    },
  };
}

function tellSilence(
  { write }: Database,
  jobId: string,
  phase: string,
  { sequence, silence }: SilenceReport,
): Promise<SilenceTurn | undefined> {
  return write(async (db, emit) => {
    const before = await findBegun(db, jobId, phase);
    const begun = before ?? sequence;
    const row = await db
      .updateTable('phases')
      .set({
        silence: silence === undefined ? null : toText({ begun, silence }),
        silence_sequence: sequence,
      })
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .where('silence_sequence', '<', sequence)
      .returning('name')
      .executeTakeFirst();
    if (row === undefined) {
      await requireOpen(db, jobId, phase);
      return undefined;
    }
    emit({ kind: 'session', jobId });
    const isSilent = silence !== undefined;
    if (isSilent === (before !== undefined)) return undefined;
    return { kind: isSilent ? 'began' : 'ended', begun };
  });
}

async function findBegun(db: Connection, jobId: string, phase: string) {
  const row = await db
    .selectFrom('phases')
    .select('silence')
    .where('job_id', '=', jobId)
    .where('name', '=', phase)
    .executeTakeFirst();
  const text = row?.silence ?? undefined;
  return text === undefined ? undefined : (JSON.parse(text) as StoredSilence).begun;
}

function toText(stored: StoredSilence): string {
  return JSON.stringify(stored);
}

async function findSilences(
  { read }: Database,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, Silence>> {
  const found = new Map<string, Silence>();
  for (const some of inParts(jobIds)) {
    const rows = await read((db) => selectSilent(db).where('job_id', 'in', some).execute());
    for (const { job_id: jobId, silence } of rows) {
      const told = toSilence(silence);
      if (told !== null) found.set(jobId, told);
    }
  }
  return found;
}

/** An earlier version leaves the silence in phases that it seals. */
function selectSilent(db: Connection) {
  return db
    .selectFrom('phases')
    .select(['job_id', 'silence'])
    .where('silence', 'is not', null)
    .where('sealed_at', 'is', null);
}
