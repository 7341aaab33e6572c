import { describe, expect, test } from '@jest/globals';
import { toMessage } from '../../src/core/message.js';

describe('toMessage', () => {
  test('leaves out control characters', () => {
    expect(toMessage('\u001b[31mred\u001b[0m\0 and\r\nmore ')).toBe('[31mred [0m and more');
  });

  test('keeps what fits', () => {
    expect(toMessage('a'.repeat(300))).toBe('a'.repeat(300));
  });

  test('does not cut a character in half', () => {
    const message = toMessage(`${'a'.repeat(298)}😀😀`);

    expect(message).toBe(`${'a'.repeat(298)}…`);
    expect(Buffer.from(message).toString()).toBe(message);
  });
});
