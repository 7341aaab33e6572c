import { describe, expect, test } from '@jest/globals';
import { renderTable } from '../../src/cli/output.js';
import { cutMiddle, cutToWidth, toWidth } from '../../src/cli/width.js';

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

describe('cutMiddle', () => {
  test('keeps the beginning and the end', () => {
    expect(cutMiddle('git-clone-0: https://git.example.org/base.git', 16)).toBe('git-clon…ase.git');
    expect(cutMiddle('計算機の再起動', 9)).toBe('計算…起動');
    expect(cutMiddle('base', 4)).toBe('base');
  });
});

describe('renderTable', () => {
  test('fits into the columns of a terminal by what one column leaves out, down to 30', () => {
    const render = (columns?: number) =>
      renderTable(['phase', 'took'], [['https://git.example.org/base.git 4cc78815', '0.2 s']], {
        ...{ shrunk: 0, columns },
      });
    expect(render(40)[1]).toBe('https://git.exam…ase.git 4cc78815  0.2 s');
    expect(render(3)[1]).toBe('https://git.exa…e.git 4cc78815  0.2 s');
    expect(render()[1]).toBe('https://git.example.org/base.git 4cc78815  0.2 s');
  });

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
