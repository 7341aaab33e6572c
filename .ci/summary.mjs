/** `summary.mjs <Jest's report> <exit code of npm test> <demos passed> <demos failed>`: prints the sum and judges it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';

const [, , file = '', exitCode, demosPassed, demosFailed] = process.argv;
const problems = [];
/** Files whose tests need a Kubernetes cluster, all or some. */
const NEEDS_CLUSTER = /\/kubernetes[^/]*\.test\.ts$/;
let withoutCluster = 0;
let passed = Number(demosPassed);
let failed = Number(demosFailed);

if (existsSync(file)) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  checkSuites(report);
} else {
  problems.push('The tests did not come to run: format, lint or types have failed.');
}
if (exitCode !== '0' && failed === 0 && problems.length === 0) {
  problems.push(`npm test ended with ${exitCode}.`);
}
if (withoutCluster > 0)
  console.log(
    `Not run: ${withoutCluster} tests that need a cluster (REQUIRE_CLUSTER=1, npm run test:kubernetes).`,
  );
for (const problem of problems) console.log(`Failed: ${problem}`);
failed += problems.length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Every file with tests has run, and nothing in it was skipped but what needs a cluster where none is required. */
function checkSuites(report) {
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' });
  const expected = files.filter((name) => name.endsWith('.test.ts')).length;
  const run = report.testResults.length;
  if (run !== expected) problems.push(`${run} of ${expected} suites have run.`);
  for (const { name, assertionResults, message } of report.testResults) {
    if (assertionResults.length === 0) problems.push(`${name} has no results: ${message}`);
    const skipped = assertionResults.filter(({ status }) => !['passed', 'failed'].includes(status));
    if (process.env.REQUIRE_CLUSTER !== '1' && NEEDS_CLUSTER.test(name))
      withoutCluster += skipped.length;
    else for (const { fullName } of skipped) problems.push(`Skipped: ${fullName}`);
  }
}
