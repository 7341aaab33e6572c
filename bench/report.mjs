import { printTable, printTitle } from '../scripts/demo/print.mjs';
import { toMegabytes, toSeconds } from './numbers.mjs';

/** Times are in milliseconds unless they say otherwise; docs/performance.md has the results. */
const TARGETS = { ratio: 1.15, toFirstPhase: 1500, toComplete: 1000, idleBytes: 400e6 };

/** @param {any} result as `--json` prints it */
export function printReport(result) {
  const { session, byHand, ratio, toFirstPhase, toComplete, between, phases, memory } = result;
  console.log(
    `\n${session.values.length} rounds on ${result.cores} cores, load ${result.load.toFixed(1)}`,
  );
  printTitle('Time');
  const row = (
    /** @type {string} */ what,
    /** @type {any} */ of,
    format = toSeconds,
    target = '',
  ) => [what, format(of.median), `${format(of.min)} to ${format(of.max)}`, target];
  const toRatio = (/** @type {number} */ value) => value.toFixed(3);
  const below = (/** @type {string} */ limit, /** @type {boolean} */ isMet) =>
    `${limit}: ${isMet ? 'met' : 'MISSED'}`;
  printTable(
    ['', 'median', 'spread', 'target'],
    [
      row('the demo session', session),
      row('the same by hand', byHand),
      row('ratio, round by round', ratio, toRatio, below('<= 1.15', ratio.median <= TARGETS.ratio)),
      row(
        'POST to first phase started',
        toFirstPhase,
        toSeconds,
        below('< 1.5 s', toFirstPhase.median < TARGETS.toFirstPhase),
      ),
      row(
        'last phase ended to complete',
        toComplete,
        toSeconds,
        below('< 1 s', toComplete.median < TARGETS.toComplete),
      ),
      row('between phases, in sum', between),
      ...phases.map((/** @type {any} */ phase) => row(`  ${phase.phase}`, phase)),
    ],
  );
  printMemory(memory);
}

/** @param {any} memory */
function printMemory({ api, worker, embedded, job }) {
  const idle = api.resident + worker.resident;
  printTitle('Memory');
  printTable(
    ['', 'resident', 'proportional', 'target'],
    [
      ['API, idle', api, ''],
      ['worker, idle', worker, ''],
      [
        'API and worker, idle',
        { resident: idle, shared: api.shared + worker.shared },
        `< 400 MB: ${idle < TARGETS.idleBytes ? 'met' : 'MISSED'}`,
      ],
      ['both in one process, after the sessions', embedded, ''],
      ['a running job, without Ansible', job.own, ''],
      ['a running job, with Ansible and SSH', job.all, ''],
    ].map(([what, { resident, shared }, target]) => [
      what,
      toMegabytes(resident),
      toMegabytes(shared),
      target,
    ]),
  );
}
