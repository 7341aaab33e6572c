import { parseArgs } from 'node:util';
import type { Fault } from './fault.js';
import { MOMENTS, type Moment } from './moments.js';
import { FAULTS, findFault, planAll, type Strike } from './plan.js';
import { createRandom } from './random.js';
import { runRound, toPromised, type Cell } from './round.js';
import { findLack, openStand, type Stand, type StandKind } from './stand.js';
import { writeTable } from './table.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    all: { type: 'boolean', default: false },
    fault: { type: 'string' },
    moment: { type: 'string' },
  },
});

interface Planned extends Strike {
  readonly seed: number;
}

function planRounds(): readonly Planned[] {
  const seed = Number(values.seed);
  if (values.all) {
    const all = planAll().filter(({ fault }) => fault.name === (values.fault ?? fault.name));
    return all.map((strike, index) => ({ ...strike, seed: seed + index }));
  }
  // Each round has its own seed, which decides everything in it, so one round can be repeated alone.
  return Array.from({ length: Number(values.rounds) }, (_, index) => toRound(seed + index));
}

function toRound(seed: number): Planned {
  const random = createRandom(seed);
  const fault = random.pick(FAULTS);
  const moment = random.pick(fault.moments);
  const given = values.fault === undefined ? fault : findFault(values.fault);
  const moments = given.moments.includes(moment) ? [moment] : [random.pick(given.moments)];
  return { fault: given, moments: toWishedMoment(given) ?? moments, seed };
}

function toWishedMoment({ name, moments }: Fault): readonly Moment[] | undefined {
  if (values.moment === undefined) return undefined;
  const wished = moments.filter((each) => each === values.moment);
  if (wished.length === 0)
    throw new Error(`${values.moment}: ${name} strikes at ${moments.join(', ')}.`);
  return wished;
}

/** Opens a stand when a round needs it, closes the others, and opens a new one after a round has failed on it. */
function createStands() {
  const stands = new Map<StandKind, Stand>();
  const close = async (kind: StandKind) => {
    const stand = stands.get(kind);
    stands.delete(kind);
    await stand?.close();
  };
  return {
    async get(kind: StandKind): Promise<Stand> {
      for (const other of stands.keys()) if (other !== kind) await close(other);
      const stand = stands.get(kind) ?? (await openStand(kind));
      stands.set(kind, stand);
      return stand;
    },
    close,
    closeAll: () => Promise.all([...stands.keys()].map(close)),
  };
}

async function runPlanned(stands: ReturnType<typeof createStands>, planned: Planned) {
  const { fault, moments, seed } = planned;
  try {
    const stand = await stands.get(fault.stand);
    const cells = await runRound(stand, fault, moments, seed);
    if (cells.some(({ wrong }) => wrong.length > 0)) await stands.close(fault.stand);
    return cells;
  } catch (error) {
    await stands.close(fault.stand).catch(() => undefined);
    const wrong = [describe(error)];
    return moments.map((moment): Cell => ({
      ...{
        fault: fault.name,
        moment,
        promised: toPromised(fault, moment),
        wrong,
        isLate: false,
        seconds: 0,
      },
    }));
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} ${describe(error.cause)}`;
}

function print(cell: Cell, seed: number, position: string): void {
  const { fault, moment, wrong, seconds } = cell;
  const end = wrong.length === 0 ? `ok, complete after ${seconds.toFixed(1)} s` : 'FAILED';
  console.log(`${position} ${fault} at ${moment} (seed ${seed}): ${end}`);
  if (wrong.length > 0) console.log(`  Fault: ${findFault(fault).what}.`);
  for (const each of wrong) console.log(`  ${each}`);
  if (wrong.length > 0)
    console.log(
      `  Repeat: npm run chaos -- --rounds 1 --seed ${seed} --fault ${fault} --moment '${moment}'`,
    );
}

const rounds = planRounds();
const stands = createStands();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stands.closeAll().finally(() => process.exit(130)));
const cells: Cell[] = [];
let isLacking = false;
console.log(`Seed ${values.seed}; ${FAULTS.length} faults, ${MOMENTS.length} moments.`);
try {
  for (const [index, planned] of rounds.entries()) {
    const position = `${index + 1}/${rounds.length}`;
    const lack = findLack(planned.fault.stand);
    if (lack !== undefined) {
      isLacking = true;
      console.log(`${position} ${planned.fault.name} skipped: ${lack}.`);
      continue;
    }
    const results = await runPlanned(stands, planned);
    for (const cell of results) print(cell, planned.seed, position);
    cells.push(...results);
    if (values.all) writeTable(cells, values.seed);
  }
} finally {
  await stands.closeAll();
}
const failed = cells.filter(({ wrong }) => wrong.length > 0).length;
console.log(`${cells.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 && !isLacking ? 0 : 1);
