import { expect, test } from '@jest/globals';
import { ApiError } from '../../src/cli/api.js';
import { untilAnswered } from '../../src/cli/start.js';

test('a request is repeated for a minute, although the clock is set forward meanwhile', async () => {
  const readLocal = Date.now.bind(Date);
  let asked = 0;
  const request = () => {
    asked += 1;
    if (asked === 2) Date.now = () => readLocal() + 3_600_000;
    return asked < 3
      ? Promise.reject(new ApiError('No answer.', { retryAfterMs: 1 }))
      : Promise.resolve('answered');
  };
  try {
    const { signal } = new AbortController();
    expect(await untilAnswered({ signal }, request)).toBe('answered');
  } finally {
    Date.now = readLocal;
  }
});
