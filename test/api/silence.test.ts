import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toJobToken } from '../../src/api/job-token.js';
import { at } from '../support/store-builders.js';
import { readEvents } from './event-reader.js';
import { MASTER_KEY, openService, type TestService } from './service.js';

let service: TestService;
let shown: string[] = [];
let jobId: string;

beforeEach(async () => {
  shown = [];
  service = await openService({
    tellWaiting: (_, text) => {
      shown.push(text);
      return Promise.resolve();
    },
  });
  service.setTime(at(0));
  await service.ask('POST', '/v3/sessions', { name: 'a', configuration_name: 'debug_noop' });
  const { store } = service;
  jobId = (await store.sessions.find('a'))?.jobId ?? '';
  await store.sessions.claim(jobId, { at: at(1) });
  const title = 'ansible-0: site.yml';
  await store.phases.savePlan(jobId, [{ name: 'ansible-0', kind: 'ansible', title }]);
  await store.sessions.recordLaunch(jobId, { at: at(2), incarnation: 'i' });
  await store.phases.start(jobId, 'ansible-0');
});
afterEach(() => service.close());

const MESSAGE = `Nothing has been heard from 2 hosts in task "Mount" since ${at(3)}: x1, x2. The task ends there after 900 s.`;
const silent = {
  task: 'Mount',
  since: at(3),
  hosts: 2,
  names: ['x1', 'x2'],
  others: 0,
  limit: 900,
};

async function deliver(what: string, body: object): Promise<void> {
  const headers = new Headers({ authorization: `Bearer ${toJobToken(MASTER_KEY, jobId)}` });
  const path = `/jobs/${jobId}/phases/ansible-0/${what}`;
  expect((await service.ask('PUT', path, body, headers)).status).toBe(204);
}

function tell(sequence: number, silence: object | null): Promise<void> {
  return deliver('silence', { sequence, silence });
}

interface Shown {
  readonly status: { readonly session: { readonly message: string | null } };
}

const toMessage = (body: unknown) => (body as Shown).status.session.message;

async function readMessages(): Promise<readonly unknown[]> {
  const one = await service.ask('GET', '/v3/sessions/a');
  const { body } = await service.ask('GET', '/v3/sessions');
  return [toMessage(one.body), ...(body as { sessions: unknown[] }).sessions.map(toMessage)];
}

async function readSilence(): Promise<unknown> {
  const { body } = await service.ask('GET', '/v3/sessions/a/phases');
  return (body as { phases: { silence: unknown }[] }).phases[0]?.silence;
}

describe('a session some of whose hosts are silent', () => {
  test('names them until they continue', async () => {
    expect(await readMessages()).toEqual([null, null]);
    expect(await readSilence()).toBeNull();
    await tell(1, silent);
    expect(await readMessages()).toEqual([MESSAGE, MESSAGE]);
    expect(await readSilence()).toEqual(silent);
    await tell(2, null);
    expect(await readMessages()).toEqual([null, null]);
    expect(await readSilence()).toBeNull();
  });

  test('shows its outcome once it is complete', async () => {
    await tell(1, silent);
    const outcome = { succeeded: 'false', reason: 'CANCELLED', message: 'Enough.' } as const;
    await service.store.sessions.recordOutcome(jobId, outcome, at(9));
    expect(await readMessages()).toEqual(['Enough.', 'Enough.']);
    expect(await readSilence()).toBeNull();
  });

  test('shows both the silence and what it waits for', async () => {
    await tell(1, silent);
    const wait = { since: at(7), message: 'Waiting: Kubernetes', phase: 'ansible-0' };
    await service.store.sessions.recordWait(jobId, wait);
    expect((await readMessages())[0]).toBe(`Waiting: Kubernetes. ${MESSAGE}`);
  });

  test('shows it in its events', async () => {
    const response = await service.app.request('/v3/sessions/a/events', {
      headers: { accept: 'text/event-stream' },
    });
    const events = readEvents(response);
    const next = async () => {
      const { event, data } = (await events.next()).value ?? { event: '', data: {} };
      return event === 'session' ? toMessage(data) : (data as { silence: unknown }).silence;
    };
    expect([await next(), await next()]).toEqual([null, null]);
    await tell(1, silent);
    expect([await next(), await next()]).toEqual([silent, MESSAGE]);
    await tell(2, null);
    expect([await next(), await next()]).toEqual([null, null]);
    await events.return();
  });

  test('tells the Web UI when it begins and ends, a limited number of times', async () => {
    await tell(1, silent);
    await tell(2, { ...silent, hosts: 1, names: ['x2'] });
    await tell(3, null);
    await tell(4, null);
    expect(shown).toEqual([`${MESSAGE} (As of ${at(0)}.)`, '']);
    await tell(200, silent);
    await tell(201, { ...silent, hosts: 1 });
    await tell(202, null);
    await tell(203, silent);
    await tell(204, null);
    expect(shown.slice(2)).toEqual([expect.stringContaining(MESSAGE), '']);
  });
});

test('a job that waits tells the Web UI only when its wait begins and ends', async () => {
  const wait = { since: at(3), message: 'git: no answer', over: false };
  await deliver('wait', wait);
  await deliver('wait', wait);
  await deliver('wait', { ...wait, message: 'git: refused' });
  await deliver('wait', { ...wait, message: 'git: refused', over: true });
  await deliver('wait', wait);
  const message = 'Waiting: git: no answer';
  expect(shown).toEqual([message, '', message]);
});
