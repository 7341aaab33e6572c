import type { ExpressionBuilder } from 'kysely';
import type { Wait } from '../../core/session.js';
import type { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import type { SessionStore } from '../store.js';

type WaitStore = Pick<SessionStore, 'recordWait' | 'recordWaitEnd'>;

export function createWaitStore(database: Database): WaitStore {
  return {
    recordWait: (jobId, wait) => recordWait(database, jobId, wait),
    recordWaitEnd: (jobId, wait) => recordWaitEnd(database, jobId, wait),
  };
}

/** For the start of a phase: keeps the wait if the session is in that phase already; the wait of another phase is over. */
export function keepWaitOf(eb: ExpressionBuilder<Schema, 'sessions'>, phase: string) {
  return eb.case().when('phase', '=', phase).then(eb.ref('waiting')).else(null).end();
}

function recordWait({ writeAtOnce }: Database, jobId: string, wait: Wait): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const told = await db
      .updateTable('sessions')
      .set({ waiting: toText(wait) })
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where((eb) => eb.or([eb('launched_at', 'is', null), eb('phase', '=', wait.phase ?? '')]))
      .returning('job_id')
      .executeTakeFirst();
    if (told !== undefined) emit({ kind: 'session', jobId });
  });
}

function recordWaitEnd({ writeAtOnce }: Database, jobId: string, wait: Wait): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const ended = await db
      .updateTable('sessions')
      .set({ waiting: null })
      .where('job_id', '=', jobId)
      .where('waiting', '=', toText(wait))
      .returning('job_id')
      .executeTakeFirst();
    if (ended !== undefined) emit({ kind: 'session', jobId });
  });
}

/** Equal waits are equal text, so a wait can be compared with the stored one. */
function toText({ since, message, phase }: Wait): string {
  return JSON.stringify({ since, message, ...(phase === undefined ? {} : { phase }) });
}
