import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const file = join(import.meta.dirname, '..', '..', 'examples', 'prometheus-rules.yaml');
const { groups } = parse(readFileSync(file, 'utf8')) as Rules;

/** Parts of the text that Prometheus's grammar does not accept. */
function findFaults(expression: string): readonly string[] {
  const faults: string[] = [];
  parser.parse(expression).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) faults.push(`${from}-${to} of ${expression}`);
    },
  });
  return faults;
}

test('the grammar finds mistakes', () => {
  expect(findFaults('rate(a[5m]) > 0')).toEqual([]);
  expect(findFaults('rate(a[5m)')).not.toEqual([]);
});

test.each(groups.flatMap(({ rules }) => rules))('the example rule $alert is PromQL', ({ expr }) => {
  expect(findFaults(expr)).toEqual([]);
});

test('the alert that no sweep runs fires also without a worker, whose metrics are then absent', () => {
  const rules = groups.flatMap((group) => group.rules);
  const rule = rules.find(({ alert }) => alert === 'KeelsonNoSweep');
  expect(rule?.expr).toContain('or vector(0)');
});
