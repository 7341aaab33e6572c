import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const script = fileURLToPath(new URL('../../.ci/summary.mjs', import.meta.url));
let directory: string;
let suitesMade = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-summary-'));
  mkdirSync(join(directory, 'test', 'core'), { recursive: true });
  for (const name of ['one', 'core/two']) {
    writeFileSync(join(directory, 'test', `${name}.test.ts`), '');
  }
});

afterAll(() => rmSync(directory, { recursive: true }));

describe('.ci/summary.mjs', () => {
  test('adds the demos to the counts of the report', () => {
    const suites = [aSuite(['passed', 'passed']), aSuite(['passed'])];
    expect(summarize(suites)).toMatchObject({ line: '5 passed, 0 failed', status: 0 });
  });

  test.each([
    [
      'a test that failed',
      [aSuite(['passed', 'failed']), aSuite(['passed'])],
      '4 passed, 1 failed',
    ],
    ['a skipped test', [aSuite(['passed', 'pending']), aSuite(['passed'])], '4 passed, 1 failed'],
    ['a suite that did not run', [aSuite(['passed'])], '3 passed, 1 failed'],
    ['a suite that could not be loaded', [aSuite(['passed']), aSuite([])], '3 passed, 1 failed'],
    ['no report', undefined, '2 passed, 1 failed'],
  ])('fails for %s', (_, suites, line) => {
    expect(summarize(suites)).toMatchObject({ line, status: 1 });
  });

  test('names each test that failed, and says why', () => {
    const { lines } = summarize([aSuite(['failed']), aSuite(['passed'])]);
    expect(lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^Failed: .*: a test$/),
      'it is not so',
    ]);
  });

  test('reports tests that need a cluster by the run that had one', () => {
    const name = '/test/runner/kubernetes.test.ts';
    const suites = [aSuite(['passed']), { ...aSuite(['passed', 'pending']), name }];
    expect(summarize(suites)).toMatchObject({ line: '4 passed, 0 failed', status: 0 });
    const onCluster = (statuses: readonly string[]) =>
      summarize(suites, '0', '0', [{ ...aSuite(statuses), name }]);
    expect(onCluster(['passed', 'passed'])).toMatchObject({
      line: '5 passed, 0 failed',
      status: 0,
    });
    expect(onCluster(['passed', 'failed'])).toMatchObject({
      line: '4 passed, 1 failed',
      status: 1,
    });
    expect(onCluster(['passed', 'pending'])).toMatchObject({
      line: '4 passed, 1 failed',
      status: 1,
    });
  });

  test('fails for checks that failed after all tests passed, and for a demo', () => {
    const suites = [aSuite(['passed']), aSuite(['passed'])];
    expect(summarize(suites, '1')).toMatchObject({ line: '4 passed, 1 failed', status: 1 });
    expect(summarize(suites, '0', '1')).toMatchObject({ line: '4 passed, 1 failed', status: 1 });
  });
});

function aSuite(statuses: readonly string[]) {
  const assertionResults = statuses.map((status) => ({
    status,
    fullName: 'a test',
    failureMessages: status === 'failed' ? ['it is not so'] : [],
  }));
  suitesMade += 1;
  return { name: `/test/suite-${suitesMade}.test.ts`, message: '', assertionResults };
}

type Suites = readonly ReturnType<typeof aSuite>[];

/** What it prints and its exit code, with two demos that passed. */
function summarize(suites: Suites | undefined, code = '0', demosFailed = '0', onCluster?: Suites) {
  const [report, clusterReport] = [join(directory, 'report.json'), join(directory, 'cluster.json')];
  for (const [file, results] of [
    [report, suites],
    [clusterReport, onCluster],
  ] as const) {
    rmSync(file, { force: true });
    if (results !== undefined) writeFileSync(file, JSON.stringify({ testResults: results }));
  }
  const { stdout, status } = spawnSync(
    process.execPath,
    [script, code, '2', demosFailed, report, clusterReport],
    { cwd: directory, encoding: 'utf8' },
  );
  const lines = stdout.trim().split('\n');
  return { lines, line: lines.at(-1), status };
}
