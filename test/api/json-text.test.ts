import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkJsonText } from '../../src/api/json-text.js';

describe('checkJsonText', () => {
  test('accepts all JSON without duplicate members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(4), (value, indent) => {
        expect(() => checkJsonText(JSON.stringify(value, null, indent))).not.toThrow();
      }),
    );
  });

  test.each([
    ['{"a": 1, "a": 2}', "twice - 'a'"],
    ['{"a": {"b": [{"c": 1, "d": 1, "c" : 2}]}}', "twice - 'c'"],
    ['{"a": 1, "\\u0061": 2}', "twice - 'a'"],
    ['{"__proto__": 1, "__proto__": 1}', "twice - '__proto__'"],
    ['{"a\\"": ":", "a\\"": "}"}', 'twice'],
    [`${'['.repeat(101)}${']'.repeat(101)}`, 'deeper than 100'],
    [`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 'deeper than 100'],
    ['{"a": 1,}', 'not valid JSON: line 1 column 9.'],
    ['{"layers": [}', 'not valid JSON: line 1 column 13.'],
    ['[1,]', 'not valid JSON: line 1 column 4.'],
    ['{"end of JSON": [}', 'not valid JSON: line 1 column 18.'],
    ['{"a": "line 7 column 7",\r\n "b": tru}', 'not valid JSON: line 2 column 10.'],
    ['nothing', 'not valid JSON: line 1 column 2.'],
    [`{"a": [${'1, '.repeat(15_000)}]}`, 'not valid JSON: line 1 column 45008.'],
    [`[${'"a", '.repeat(20_000)}]`, 'not valid JSON.'],
    ['{"a": 1\n "b": 2}', 'not valid JSON: line 2 column 2.'],
    ['{"a": 1', 'not valid JSON: '],
    ['', 'not valid JSON: it ends too early.'],
  ])('refuses %s', (text, fact) => {
    expect(() => checkJsonText(text)).toThrow(fact);
  });

  test.each([
    '{"a": {"a": {"a": "a"}}, "b": [{"a": 1}, {"a": 2}]}',
    '["a", "a", {"b": "a", "a": "b"}]',
    '{"a": "\\\\", "b": "\\"a\\": 1"}',
  ])('takes %s', (text) => {
    expect(() => checkJsonText(text)).not.toThrow();
  });
});
