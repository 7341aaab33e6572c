import { patchComponent } from '../../core/component-change.js';
import { findReportedLayer, toComponentPatch } from '../../core/host-state.js';
import { lockComponents, saveChanged, type ComponentDatabase } from './component-views.js';
import type { Connection } from '../database/database.js';
import { ROWS_AT_ONCE } from '../database/parts.js';
import { toHostResult } from '../jobs/host-rows.js';
import { toSession } from '../sessions/session-rows.js';

interface RecordedPhase {
  readonly jobId: string;
  readonly phase: string;
  readonly position: number;
  readonly at: string;
  /** No host counts as having the layer. */
  readonly isIncomplete: boolean;
}

/** Records the results of a phase as the state of those hosts that are components. */
export async function recordState(
  db: Connection,
  database: ComponentDatabase,
  { jobId, phase, position, at, isIncomplete }: RecordedPhase,
): Promise<void> {
  const query = db.selectFrom('sessions').selectAll().where('job_id', '=', jobId);
  const session = toSession(await query.executeTakeFirstOrThrow());
  const layer = findReportedLayer(session, phase);
  if (layer === undefined) return;
  const isUnknown = isIncomplete || session.snapshot?.isGuess === true;
  let after = '';
  for (;;) {
    const rows = await db
      .selectFrom('host_results')
      .selectAll()
      .where('job_id', '=', jobId)
      .where('position', '=', position)
      .where('host', '>', after)
      .orderBy('host')
      .limit(ROWS_AT_ONCE)
      .execute();
    const stored = await lockComponents(
      db,
      database,
      rows.map(({ host }) => host),
    );
    const changed = rows.flatMap((row) => {
      const component = stored.get(row.host);
      const result = toHostResult(row);
      const patch = toComponentPatch(isUnknown ? { ...result, incomplete: true } : result, layer);
      return component === undefined
        ? []
        : [{ before: component, after: patchComponent(component, patch, at) }];
    });
    await saveChanged(db, database, changed);
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_AT_ONCE) return;
    after = last.host;
  }
}
