/**
 * `summary.mjs <exit code of the tests> <demos passed> <demos failed> <report of Jest> [<that of the tests on a cluster>]`:
 * prints the sum and sets the exit code. A suite that is in both reports counts as it ran on the cluster.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const [, , exitCode, demosPassed, demosFailed, ...files] = process.argv;
/** @type {string[]} */
const problems = [];
/**
 * Printed last, because Jest's own output may be far above.
 * @type {string[]}
 */
const failures = [];
const SHOWN_LINES = 25;
/** Files in which at least some tests need a Kubernetes cluster. */
const NEEDS_CLUSTER = /\/kubernetes[^/]*\.test\.ts$/;
const reports = files.map((file) =>
  existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).testResults : undefined,
);
const [first, onCluster = []] = reports;
let withoutCluster = 0;
let passed = Number(demosPassed);
let failed = Number(demosFailed);

if (first === undefined)
  problems.push('The tests did not run, because format, lint or types failed.');
else checkSuites(new Map([...first, ...onCluster].map((suite) => [suite.name, suite])));
if (exitCode !== '0' && failed === 0 && problems.length === 0) {
  problems.push(`The tests ended with ${exitCode}.`);
}
if (withoutCluster > 0)
  console.log(
    `Not run: ${withoutCluster} tests that need a cluster (REQUIRE_CLUSTER=1, npm run test:kubernetes).`,
  );
for (const failure of failures) console.log(`Failed: ${failure}`);
for (const problem of problems) console.log(`Failed: ${problem}`);
failed += problems.length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** @param {string[]} messages */
function shorten(messages) {
  return stripVTControlCharacters(messages.join('\n')).split('\n').slice(0, SHOWN_LINES).join('\n');
}

/**
 * Checks that every test file has run, and that nothing was skipped except, without a cluster, the tests that need one.
 * @param {Map<string, any>} suites as Jest reports them, by name
 */
function checkSuites(suites) {
  const expected = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.ts'),
  ).length;
  if (suites.size !== expected) problems.push(`${suites.size} of ${expected} suites have run.`);
  for (const { name, assertionResults, message } of suites.values()) {
    if (assertionResults.length === 0) problems.push(`${name} has no results: ${message}`);
    /** @type {{ status: string, fullName: string, failureMessages: string[] }[]} */
    const results = assertionResults;
    const count = (/** @type {string} */ status) =>
      results.filter((each) => each.status === status).length;
    passed += count('passed');
    failed += count('failed');
    for (const each of results.filter(({ status }) => status === 'failed')) {
      failures.push(`${relative('.', name)}: ${each.fullName}\n${shorten(each.failureMessages)}`);
    }
    const skipped = results.filter(({ status }) => !['passed', 'failed'].includes(status));
    if (onCluster.length === 0 && NEEDS_CLUSTER.test(name)) withoutCluster += skipped.length;
    else for (const { fullName } of skipped) problems.push(`Skipped: ${fullName}`);
  }
}
