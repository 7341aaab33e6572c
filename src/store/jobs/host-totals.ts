import type { HostTotals } from '../../core/notification.js';
import type { Database } from '../database/database.js';
import type { HostStore } from '../store.js';
import { HOST_COUNTERS, toHostResult } from './host-rows.js';

type TotalStore = Pick<HostStore, 'total' | 'listFailed'>;

export function createHostTotals(database: Database): TotalStore {
  return {
    total: (jobId) => total(database, jobId),
    listFailed: (jobId, limit) =>
      database.read(async (db) => {
        const rows = await db
          .selectFrom('host_results')
          .selectAll()
          .where('job_id', '=', jobId)
          .where((eb) => eb.or([eb('failed', '>', 0), eb('unreachable', '>', 0)]))
          .orderBy('position')
          .orderBy('host')
          .limit(limit)
          .execute();
        return rows.map(toHostResult);
      }),
  };
}

/** Like `summarize`, leaves out hosts whose counters are all 0: no task was tried on them. */
function total({ read }: Database, jobId: string): Promise<HostTotals> {
  return read(async (db) => {
    const hosts = db
      .selectFrom('host_results')
      .select((eb) => [
        eb.fn.max('failed').as('failed'),
        eb.fn.max('unreachable').as('unreachable'),
        eb.fn.max('incomplete').as('incomplete'),
        eb.fn.max('changed').as('changed'),
      ])
      .where('job_id', '=', jobId)
      .where((eb) => eb.or(HOST_COUNTERS.map((counter) => eb(counter, '>', 0))))
      .groupBy('host')
      .as('hosts');
    const worst = ['failed', 'unreachable', 'incomplete', 'changed'] as const;
    const counts = await db
      .selectFrom(hosts)
      .select((eb) => [
        eb.fn.countAll().as('hosts'),
        ...worst.map((word, index) =>
          eb.fn
            .countAll()
            .filterWhere((of) =>
              of.and([
                ...worst.slice(0, index).map((worse) => of(worse, '=', 0)),
                of(word, '>', 0),
              ]),
            )
            .as(word),
        ),
      ])
      .executeTakeFirstOrThrow();
    const told = {
      hosts: Number(counts.hosts),
      failed: Number(counts.failed),
      unreachable: Number(counts.unreachable),
      incomplete: Number(counts.incomplete),
      changed: Number(counts.changed),
    };
    const { hosts: all, failed, unreachable, incomplete, changed } = told;
    return { ...told, ok: all - failed - unreachable - incomplete - changed };
  });
}
