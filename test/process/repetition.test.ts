import { expect, test } from '@jest/globals';
import { startRepetition } from '../../src/process/repetition.js';
import { waitFor } from '../support/wait.js';

test('an act is repeated, but never runs twice at the same time', async () => {
  let running = 0;
  let most = 0;
  let ended = 0;
  const repetition = startRepetition(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running -= 1;
    ended += 1;
  }, 1);
  await repetition.first;
  expect(ended).toBe(1);
  await waitFor(() => ended >= 3, { what: 'the third run' });
  await repetition.close();
  expect({ running, most }).toEqual({ running: 0, most: 1 });
});
