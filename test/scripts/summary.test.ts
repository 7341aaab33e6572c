import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const script = fileURLToPath(new URL('../../.ci/summary.mjs', import.meta.url));
let directory: string;

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
    expect(summarize(suites)).toEqual({ line: '5 passed, 0 failed', status: 0 });
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
    expect(summarize(suites)).toEqual({ line, status: 1 });
  });

  test('tells of what needs a cluster, and fails for it only where one is required', () => {
    const cluster = { ...aSuite(['passed', 'pending']), name: '/test/runner/kubernetes.test.ts' };
    const suites = [aSuite(['passed']), cluster];
    expect(summarize(suites)).toEqual({ line: '4 passed, 0 failed', status: 0 });
    const required = summarize(suites, '0', '0', { REQUIRE_CLUSTER: '1' });
    expect(required).toEqual({ line: '4 passed, 1 failed', status: 1 });
  });

  test('fails for checks that failed after all tests passed, and for a demo', () => {
    const suites = [aSuite(['passed']), aSuite(['passed'])];
    expect(summarize(suites, '1')).toEqual({ line: '4 passed, 1 failed', status: 1 });
    expect(summarize(suites, '0', '1')).toEqual({ line: '4 passed, 1 failed', status: 1 });
  });
});

function aSuite(statuses: readonly string[]) {
  const assertionResults = statuses.map((status) => ({ status, fullName: 'a test' }));
  return { name: 'a suite', message: '', assertionResults };
}

/** The last line and the exit code, with two demos that passed. */
function summarize(
  testResults: readonly ReturnType<typeof aSuite>[] | undefined,
  exitCode = '0',
  demosFailed = '0',
  environment: Readonly<Record<string, string>> = {},
) {
  const file = join(directory, 'report.json');
  rmSync(file, { force: true });
  const count = (status: string) =>
    (testResults ?? [])
      .flatMap(({ assertionResults }) => assertionResults)
      .filter((result) => result.status === status).length;
  const counts = { numPassedTests: count('passed'), numFailedTests: count('failed') };
  if (testResults !== undefined) writeFileSync(file, JSON.stringify({ ...counts, testResults }));
  const argv = [script, file, exitCode, '2', demosFailed];
  const { stdout, status } = spawnSync(process.execPath, argv, {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, REQUIRE_CLUSTER: '', ...environment },
  });
  return { line: stdout.trimEnd().split('\n').at(-1), status };
}
