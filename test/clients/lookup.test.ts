import type { LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { createLookup } from '../../src/clients/lookup.js';

/** A name server that answers when told to. */
function openNameServer() {
  const asked: { readonly host: string; readonly answer: (address: string) => void }[] = [];
  const ask: LookupFunction = (host, _options, callback) =>
    void asked.push({ host, answer: (address) => callback(null, address, 4) });
  const find = promisify(createLookup(ask)) as (host: string, options: object) => Promise<unknown>;
  return { asked, find: (host: string) => find(host, {}) };
}

test('a host that is being looked up is not looked up again', async () => {
  const { asked, find } = openNameServer();
  const found = Promise.all([find('hook'), find('hook'), find('hsm')]);
  expect(asked.map(({ host }) => host)).toEqual(['hook', 'hsm']);
  asked[0]?.answer('10.0.0.1');
  asked[1]?.answer('10.0.0.2');
  expect(await found).toEqual(['10.0.0.1', '10.0.0.1', '10.0.0.2']);
});

test('an answer is not kept', async () => {
  const { asked, find } = openNameServer();
  const first = find('hsm');
  asked[0]?.answer('10.0.0.1');
  expect(await first).toBe('10.0.0.1');
  const second = find('hsm');
  asked[1]?.answer('10.0.0.2');
  expect(await second).toBe('10.0.0.2');
});
