import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PhaseKind } from '../../src/core/job.js';
import { aSession, runSession } from '../support/session-worker.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';

const LAYERS = 10;
const MOST_EVENTS = 500;

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await openTemporal();
});
afterAll(() => temporal.close());

test(`a session of ten layers has less than ${MOST_EVENTS} events`, async () => {
  const phase = (kind: PhaseKind, name: string = kind) => ({ kind, name, title: name });
  const each = (kind: PhaseKind) =>
    Array.from({ length: LAYERS }, (_, index) => phase(kind, `${kind}-${index}`));
  const phases = [
    ...[...each('git-clone'), phase('git-clone-hosts'), phase('inventory')],
    ...each('ansible'),
  ];
  const session = aSession((script) => ({
    resolveConfiguration: script.log('resolveConfiguration', () => ({ phases })),
  }));
  const { result, handle } = await runSession(temporal, session);
  expect(result).toEqual({ outcome: 'succeeded' });
  expect(session.calls.filter((call) => call === 'ansible')).toHaveLength(LAYERS);
  const events = (await handle.fetchHistory()).events?.length ?? 0;
  expect(events).toBeGreaterThan(phases.length);
  expect(events).toBeLessThan(MOST_EVENTS);
});
