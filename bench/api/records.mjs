/** Recent, because retention counts from it and would remove older records. */
const justNow = () => `'${new Date().toISOString()}'`;

/**
 * Statements, for both SQLite and PostgreSQL, that insert sessions directly: nine in ten are complete, one in a thousand is
 * pending, the rest run. One in ten has the tag `team=blue`, one in a thousand `rack=7`.
 * @param {number} from @param {number} to
 */
export function toFillStatements(from, to) {
  const number = 'substr(cast(10000000 + n as text), 2)';
  const created = `'2026-01-' || substr(cast(101 + n % 28 as text), 2) || 'T' || substr(cast(100 + n % 24 as text), 2) || ':00:00.000Z'`;
  const request = JSON.stringify({
    name: '@',
    configurationName: 'bench',
    configurationLimit: '',
    ansibleLimit: 'x1000c0s0b0n0,x1000c0s1b0n0',
    ansibleConfig: 'cfs-default-ansible-cfg',
    ansibleVerbosity: 0,
    ansiblePassthrough: '',
    target: { definition: 'dynamic' },
    tags: {},
    debugOnFailure: false,
  });
  const numbers = `with recursive numbers(n) as (select ${from} union all select n + 1 from numbers where n < ${to - 1})`;
  const jobId = `'cfs-stored-' || ${number} || '-0123abcd'`;
  return [
    `${numbers} insert into sessions (job_id, name, created_at, dispatched, state, succeeded, claimed_at, completed_at, request)
     select ${jobId}, 'stored-' || ${number}, ${created}, 'started',
       case when n % 1000 = 5 then 'pending' when n % 10 = 5 then 'running' else 'complete' end,
       case when n % 10 = 5 then 'none' when n % 7 = 0 then 'false' else 'true' end,
       ${created}, case when n % 10 = 5 then null else ${justNow()} end,
       replace('${request}', '@', 'stored-' || ${number})
     from numbers`,
    `${numbers} insert into session_tags (job_id, key, value) select ${jobId}, 'team', 'blue' from numbers where n % 10 = 3`,
    `${numbers} insert into session_tags (job_id, key, value) select ${jobId}, 'rack', '7' from numbers where n % 1000 = 4`,
  ];
}

/** @param {number} index */
export const toStoredName = (index) => `stored-${String(index).padStart(7, '0')}`;

/** Completes all sessions, so that deleting the complete ones deletes all. */
export const COMPLETE_ALL = `update sessions set state = 'complete', succeeded = 'true', completed_at = ${justNow()} where state <> 'complete'`;

/** Inserts sessions that run a phase `ansible-0`, for deliveries. @param {readonly string[]} jobIds */
export function toJobStatements(jobIds) {
  return jobIds.flatMap((jobId) => [
    `insert into sessions (job_id, name, created_at, dispatched, state, claimed_at, launched_at, request)
     values ('${jobId}', '${toJobName(jobId)}', '2026-01-01T00:00:00.000Z', 'started', 'running', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z',
       '{"name":"${toJobName(jobId)}","configurationName":"bench","configurationLimit":"","ansibleLimit":"","ansibleConfig":"","ansibleVerbosity":0,"ansiblePassthrough":"","target":{"definition":"dynamic"},"tags":{},"debugOnFailure":false}')`,
    `insert into phases (job_id, name, kind, title, position, state) values ('${jobId}', 'ansible-0', 'ansible', 'ansible-0: site.yml', 0, 'running')`,
  ]);
}

/** @param {string} jobId */
export const toJobName = (jobId) => jobId.slice('cfs-'.length, -'-0123abcd'.length);
