import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('docs/reasons.md', () => {
  test('has a section for each word of Reason, in its order', () => {
    const union = /export const REASONS = \[([^\]]*)\]/.exec(read('src/core/errors.ts'))?.[1] ?? '';
    const words = [...union.matchAll(/'(\w+)'/g)].map(([, word]) => word);
    const sections = [...read('docs/reasons.md').matchAll(/^## (.*)$/gm)].map(([, title]) => title);

    expect(words.length).toBeGreaterThan(10);
    expect(sections).toEqual(words);
  });
});
