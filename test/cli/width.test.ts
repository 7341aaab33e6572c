import { describe, expect, test } from '@jest/globals';
import { renderTable } from '../../src/cli/output.js';
import { cutToWidth, toWidth } from '../../src/cli/width.js';

describe('toWidth', () => {
  test.each([
    ['', 0],
    ['node', 4],
    ['nœud…', 5],
    ['e\u0301', 1],
    ['\u0301', 0],
    ['計算', 4],
    ['ノード', 6],
    ['ｶﾅ', 2],
    ['노드', 4],
    ['✅ ok', 5],
    ['❤️', 2],
    ['👩‍👩‍👧', 2],
    ['🇨🇭', 2],
    ['𠮷', 2],
  ])('of %j is %d', (text, width) => {
    expect(toWidth(text)).toBe(width);
  });
});

describe('cutToWidth', () => {
  test('cuts between characters, not inside of one', () => {
    expect(cutToWidth('計算', 3)).toBe('計');
    expect(cutToWidth('a👩‍👩‍👧b', 2)).toBe('a');
    expect(cutToWidth('計算', 4)).toBe('計算');
  });
});

describe('renderTable', () => {
  test('aligns the columns after wide characters', () => {
    const [head = '', wide = '', plain = ''] = renderTable(
      ['task', 'host'],
      [
        ['再起動 ✅', 'x1'],
        ['restart', 'x2'],
      ],
    );
    expect(head.slice(head.indexOf('task'))).toMatch(/^task {7}host/);
    expect([wide, plain]).toEqual(['再起動 ✅  x1', 'restart    x2']);
  });
});
