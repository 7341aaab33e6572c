import { describe, expect, test } from '@jest/globals';
import { isLike } from '../../src/core/wildcard.js';

describe('isLike', () => {
  test.each([
    ['', '', true],
    ['', '*', true],
    ['x1', '', false],
    ['x1', 'x1', true],
    ['x1', 'x', false],
    ['x', 'x1', false],
    ['x1', 'x?', true],
    ['x', 'x?', false],
    ['x1', 'x*', true],
    ['x', 'x**', true],
    ['nid-000101', 'nid-*01', true],
    ['nid-000102', 'nid-*01', false],
    ['aab', '*ab', true],
    ['a.b', 'a?b', true],
    ['a-b', 'a.b', false],
    ['\u{1F600}', '?', true],
  ])('of %j and %j says %s', (name, wildcard, is) => {
    expect(isLike(name, wildcard)).toBe(is);
  });

  test('takes no time that multiplies with every star', () => {
    expect(isLike('a'.repeat(10_000), `${'*a'.repeat(100)}b`)).toBe(false);
  });
});
