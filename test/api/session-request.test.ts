import { expect, test } from '@jest/globals';
import { parse } from '../../src/api/validation.js';
import { SessionCreate, SessionCreateV2 } from '../../src/api/wire/session-request.js';

test('a limit may name thousands of hosts; one that is too long is refused by its name', () => {
  const v3 = (limit: string) => ({ name: 'a', configuration_name: 'b', ansible_limit: limit });
  const v2 = (limit: string) => ({ name: 'a', configurationName: 'b', ansibleLimit: limit });
  const limit = 'x1000c0s0b0n0,'.repeat(35_700);
  expect(parse(SessionCreate, v3(limit)).ansible_limit).toBe(limit);
  expect(parse(SessionCreateV2, v2(limit)).ansibleLimit).toBe(limit);
  const told = 'Must not have more than 500000 characters';
  expect(() => parse(SessionCreate, v3(limit.padEnd(500_001, ',')))).toThrow(
    `${told} - 'ansible_limit'`,
  );
  expect(() => parse(SessionCreateV2, v2(limit.padEnd(500_001, ',')))).toThrow(
    `${told} - 'ansibleLimit'`,
  );
});
