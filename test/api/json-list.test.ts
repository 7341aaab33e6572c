import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { splitJsonList } from '../../src/api/json-list.js';

const LIMIT = 1_000;

/** Splits a list, given without its first bracket, in pieces of these sizes, which repeat in turn. */
async function split(text: string, sizes: readonly number[] = [7]): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const texts of splitJsonList(cut(Buffer.from(text), sizes), LIMIT))
    found.push(...texts);
  return found;
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  await Promise.resolve();
  for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

describe('splitJsonList', () => {
  test('finds every element of every list, however it is cut', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 8 }),
        fc.nat(3),
        sizes,
        async (list, indent, given) => {
          const text = JSON.stringify(list, null, indent).slice(1);
          fc.pre(Buffer.byteLength(text) < LIMIT);
          expect((await split(text, given)).map((each) => JSON.parse(each) as unknown)).toEqual(
            JSON.parse(JSON.stringify(list)),
          );
        },
      ),
    );
  });

  test.each([
    ['', []],
    [' \n', []],
    ['{"a": "]", "b": "\\"}"}', ['{"a": "]", "b": "\\"}"}']],
    ['[],[[]]', ['[]', '[[]]']],
    ['"\\\\", "é日"', ['"\\\\"', ' "é日"']],
  ])('of [%s] has %j', async (text, elements) => {
    expect(await split(`${text}] \n`, [1])).toEqual(elements);
  });

  test.each([
    ['{"a": 1}', 'not valid JSON'],
    ['', 'not valid JSON'],
    ['1] 2', 'not valid JSON'],
    ['1]]', 'not valid JSON'],
    ['"]', 'not valid JSON'],
    ['{]', 'not valid JSON'],
    [`"${'x'.repeat(LIMIT)}"]`, 'larger than the limit of 1000'],
  ])('refuses [%s', async (text, fact) => {
    await expect(split(text)).rejects.toThrow(fact);
  });

  test.each(['1,]', ',1]', '1,,2]', ',]', '}]', '1 2]'])(
    'gives of [%s an element that is no JSON',
    async (text) => {
      const elements = await split(text);
      expect(() => elements.map((each) => JSON.parse(each) as unknown)).toThrow(SyntaxError);
    },
  );

  test('refuses what is not UTF-8', async () => {
    const pieces = cut(Buffer.from([0x22, 0xff, 0x22, 0x5d]), [4]);
    await expect(splitJsonList(pieces, LIMIT).next()).rejects.toThrow('not UTF-8');
  });
});
