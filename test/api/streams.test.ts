import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createApp } from '../../src/api/app.js';
import { createEventStreams, toEventBody } from '../../src/api/event-stream.js';
import { readAllEvents, readEvents, toBytes, type ReadEvent } from './event-reader.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

const AT = '2026-01-02T03:04:05.000Z';
const exited = { kind: 'exited', exitCode: 0, startedAt: AT, endedAt: AT } as const;
const row = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };

async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

async function finish(jobId: string): Promise<void> {
  await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
}

async function ask(path: string, lastId?: string, app = service.app): Promise<Response> {
  const headers = new Headers({ accept: 'text/event-stream' });
  if (lastId !== undefined) headers.set('last-event-id', lastId);
  return app.request(`/v3/sessions/${path}`, { headers });
}

const append = (jobId: string, phase: string, offset: number, bytes: Uint8Array) =>
  service.store.logs.append(jobId, phase, offset, bytes);

describe('GET …/logs as events', () => {
  test('carries every byte, however it is cut, and continues after any id', async () => {
    const jobId = await plan('bytes');
    const texts = ['\r\nä€𝄞\ud7ff\u2028\ufeffdata: x\n\n', '\0 no newline'];
    const bytes = Buffer.concat([
      ...texts.map((text) => Buffer.from(text)),
      randomBytes(200),
      Buffer.from('x'.repeat(150_000) + '€'.repeat(50_000)),
      Buffer.from([0xf0, 0x9d]),
    ]);
    let offset = 0;
    for (const size of [1, 2, 3, 1, 1, 2, 4, 5, 1, 1, 1, 1, 30, 200_000, bytes.length]) {
      const chunk = bytes.subarray(offset, offset + size);
      await append(jobId, 'inventory', offset, chunk);
      offset += chunk.length;
    }
    await append(jobId, 'ansible-0', 0, Buffer.from('play'));
    await finish(jobId);
    const whole = Buffer.concat([bytes, Buffer.from('play')]);

    const response = await ask('bytes/logs');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const events = await readAllEvents(response);
    expect(toBytes(events).equals(whole)).toBe(true);
    const text = events.filter(({ data }) => data['text'] !== undefined);
    expect(text[0]?.data).toMatchObject({ phase: 'inventory', offset: 0 });
    expect(events.at(-1)).toMatchObject({ event: 'end', data: {} });

    for (const [index, { id, event }] of events.entries()) {
      if (event === 'end') continue;
      const rest = await readAllEvents(await ask('bytes/logs', id));
      const before = toBytes(events.slice(0, index + 1)).length;
      expect(toBytes(rest).equals(whole.subarray(before))).toBe(true);
    }
    const over = await ask('bytes/logs', events.at(-1)?.id);
    expect([over.status, await over.text()]).toEqual([204, '']);
  });

  test('follows by default, also a single phase', async () => {
    const jobId = await plan('one');
    await append(jobId, 'ansible-0', 0, Buffer.from('abc'));
    const now = await readAllEvents(await ask('one/logs?phase=ansible-0&offset=1&follow=false'));
    expect(now.map(({ event, data }) => [event, data['text']])).toEqual([
      ['log', 'bc'],
      ['end', undefined],
    ]);
    const live = readEvents(await ask('one/logs?phase=ansible-0', now[0]?.id));
    const next = live.next();
    await append(jobId, 'ansible-0', 3, Buffer.from('d'));
    expect((await next).value).toMatchObject({ data: { offset: 3, text: 'd' } });
    await service.store.phases.seal(jobId, 'ansible-0', exited, AT);
    expect((await live.next()).value).toMatchObject({ event: 'end' });
    expect((await live.next()).done).toBe(true);
  });

  test('refuses invalid ids and those of another phase, and ignores those of an earlier session', async () => {
    const jobId = await plan('ids');
    await append(jobId, 'inventory', 0, Buffer.from('abc'));
    for (const id of ['x', '0123/inventory/1', '00000000/inventory/-1']) {
      expect((await ask('ids/logs', id)).status).toBe(400);
    }
    const tag = jobId.slice(-8);
    const other = await ask('ids/logs?phase=ansible-0', `${tag}/inventory/1`);
    expect(other.status).toBe(400);
    expect(await other.json()).toMatchObject({ detail: expect.stringMatching(/Last-Event-ID/) });
    const former = await ask('ids/logs?follow=false', 'ffffffff/inventory/2');
    expect(toBytes(await readAllEvents(former)).toString()).toBe('abc');
  });

  test('is plain text unless events are asked for', async () => {
    const jobId = await plan('plain');
    await append(jobId, 'inventory', 0, Buffer.from('abc'));
    const headers = new Headers({ accept: 'text/plain, */*' });
    const response = await service.app.request('/v3/sessions/plain/logs', { headers });
    expect(await response.text()).toBe('abc');
  });
});

describe('GET …/events', () => {
  const kinds = (events: readonly ReadEvent[]) =>
    events.map(({ event, data }) => {
      if (event === 'phase') return `${String(data['name'])} ${String(data['state'])}`;
      if (event === 'hosts') return (data['hosts'] as { host: string }[]).map(({ host }) => host);
      return event === 'session' ? (data as { status: object }).status : event;
    });

  async function take(events: AsyncGenerator<ReadEvent, void>, count: number) {
    const taken: ReadEvent[] = [];
    while (taken.length < count) {
      const { value } = await events.next();
      if (value === undefined) break;
      taken.push(value);
    }
    return taken;
  }

  test('sends the present state, then changes, until the end', async () => {
    const { phases, hosts, sessions } = service.store;
    const jobId = await plan('live');
    const live = readEvents(await ask('live/events'));
    const status = (state: object) =>
      expect.objectContaining({ session: expect.objectContaining(state) });
    expect(kinds(await take(live, 3))).toEqual([
      'inventory pending',
      'ansible-0 pending',
      status({ status: 'pending' }),
    ]);
    await append(jobId, 'inventory', 0, Buffer.from('no event of its own'));
    await phases.seal(jobId, 'inventory', exited, AT);
    expect(kinds(await take(live, 1))).toEqual(['inventory ended']);
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    expect((await take(live, 1))[0]?.data).toMatchObject({ name: 'ansible-0', start_time: AT });
    await hosts.save(jobId, 'ansible-0', {
      sequence: 1,
      final: false,
      hosts: [{ host: 'x1', ...row }],
    });
    expect(kinds(await take(live, 1))).toEqual([['x1']]);
    await sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
    expect(kinds(await take(live, 9))).toEqual([
      'ansible-0 ended',
      status({ status: 'complete', succeeded: 'true' }),
      'end',
    ]);
  });

  test('sends a reconnecting client what differs from its id, in another process too', async () => {
    const { phases, hosts } = service.store;
    const jobId = await plan('again');
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    const some = {
      sequence: 1,
      final: false,
      hosts: ['x1', 'x2'].map((host) => ({ host, ...row })),
    };
    await hosts.save(jobId, 'ansible-0', some);
    const first = readEvents(await ask('again/events'));
    const told = await take(first, 4);
    expect(kinds(told).slice(0, 3)).toEqual([
      'inventory pending',
      'ansible-0 pending',
      ['x1', 'x2'],
    ]);
    await first.return(undefined);
    const other = createApp(service.deps);
    const nothing = readEvents(await ask('again/events', told[3]?.id, other));
    const next = nothing.next();
    await hosts.save(jobId, 'ansible-0', {
      sequence: 2,
      final: true,
      hosts: [{ host: 'x2', ...row, ok: 2 }],
    });
    expect((await next).value).toMatchObject({ event: 'hosts', data: { hosts: [{ ok: 2 }] } });
    await nothing.return(undefined);

    await phases.seal(jobId, 'inventory', exited, AT);
    await finish(jobId);
    const rest = await readAllEvents(await ask('again/events', told[3]?.id, other));
    expect(kinds(rest)).toEqual([
      'inventory ended',
      'ansible-0 ended',
      ['x2'],
      expect.anything(),
      'end',
    ]);
    const middle = await readAllEvents(await ask('again/events', told[1]?.id, other));
    expect(kinds(middle)).toContainEqual(['x1', 'x2']);
    expect((await ask('again/events', rest.at(-1)?.id, other)).status).toBe(204);
    for (const id of ['nonsense', `${jobId.slice(-8)}/..~~.~x.`, 'ffffffff/a.b~1']) {
      expect((await readAllEvents(await ask('again/events', id))).length).toBe(5);
    }
  });

  test('sends a new client all that is stored, also what was not announced', async () => {
    const { phases, hosts } = service.store;
    const jobId = await plan('unannounced');
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    // As with changes of another process that was killed before it announced them.
    const store = { ...service.store, subscribe: () => () => undefined };
    const other = createApp({ ...service.deps, store });
    const early = readEvents(await ask('unannounced/events', undefined, other));
    expect(await take(early, 3)).toHaveLength(3);
    await hosts.save(jobId, 'ansible-0', {
      sequence: 1,
      final: true,
      hosts: [{ host: 'x1', ...row }],
    });
    await finish(jobId);
    const late = await readAllEvents(await ask('unannounced/events', undefined, other));
    expect(kinds(late)).toContainEqual(['x1']);
    await early.return(undefined);
  });

  test('sends many hosts in several events, without leaving any out', async () => {
    const jobId = await plan('many');
    const names = Array.from({ length: 2500 }, (_, index) => `x${index}`);
    const hosts = names.map((host) => ({ host, ...row }));
    await service.store.phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    await service.store.hosts.save(jobId, 'ansible-0', { sequence: 9, final: true, hosts });
    await finish(jobId);
    const events = await readAllEvents(await ask('many/events'));
    const parts = events.filter(({ event }) => event === 'hosts');
    expect(parts).toHaveLength(3);
    expect(new Set(kinds(parts).flat() as string[])).toEqual(new Set(names));
    const again = await readAllEvents(await ask('many/events', parts[1]?.id));
    expect(kinds(again.filter(({ event }) => event === 'hosts')).flat()).toHaveLength(2500);
    const later = await readAllEvents(await ask('many/events', parts[2]?.id));
    expect(kinds(later)).toEqual([expect.objectContaining({ artifacts: [] }), 'end']);
  });

  test('is 404 for no such session', async () => {
    expect((await ask('nobody/events')).status).toBe(404);
  });
});

describe('a stream of events', () => {
  async function* silence(signal: AbortSignal) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield* [];
  }

  test('is never silent for long, and ends without an end event when the service stops', async () => {
    const streams = createEventStreams();
    const client = new AbortController().signal;
    const body = toEventBody(silence, 'id', { streams, client, heartbeatMs: 5 });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('retry: 1000\n\n');
    expect((await reader.read()).value).toBe(':\n\n');
    expect((await reader.read()).value).toBe(':\n\n');
    const closed = streams.close();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      expect(value).toBe(':\n\n');
    }
    await closed;
  });

  test('ends when its token is removed, and a followed log breaks off', async () => {
    const token = 'a-token-of-tests-1';
    let tokens = [{ token, role: 'read', name: 'ann' } as const];
    const auth = {
      kind: 'tokens',
      get tokens() {
        return tokens;
      },
    } as const;
    const app = createApp({ ...service.deps, auth });
    const jobId = await plan('revoked');
    await append(jobId, 'inventory', 0, Buffer.from('seen'));
    const open = async (accept: string) => {
      const headers = { accept, authorization: `Bearer ${token}` };
      const path = '/v3/sessions/revoked/logs?follow=true';
      return (await app.request(path, { headers })).body?.getReader();
    };
    const [events, text] = [await open('text/event-stream'), await open('text/plain')];
    expect(await events?.read()).toMatchObject({ value: Buffer.from('retry: 1000\n\n') });
    expect(await text?.read()).toMatchObject({ value: Buffer.from('seen') });
    tokens = [];
    await append(jobId, 'inventory', 4, Buffer.from('hidden'));
    expect(await events?.read()).toMatchObject({ done: true });
    await expect(text?.read()).rejects.toThrow('not valid any more');
    await finish(jobId);
  });

  test('does not keep a service from stopping if nobody reads', async () => {
    const streams = createEventStreams();
    const client = new AbortController();
    toEventBody(silence, 'id', { streams, client: client.signal });
    client.abort();
    await streams.close();
  });
});
