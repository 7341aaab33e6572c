import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { serve } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createApp } from '../../src/api/app.js';
import type { Store } from '../../src/store/store.js';
import { waitFor } from '../support/wait.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

const append = (jobId: string, phase: string, offset: number, text: string) =>
  service.store.logs.append(jobId, phase, offset, Buffer.from(text));

async function seal(jobId: string, phase: string): Promise<void> {
  const at = new Date().toISOString();
  const result = { kind: 'exited', exitCode: 0, startedAt: at, endedAt: at } as const;
  await service.store.phases.seal(jobId, phase, result, at);
}

/** What a follower has read so far. */
function collect(response: Response): {
  readonly text: () => string;
  readonly done: Promise<void>;
} {
  const decoder = new TextDecoder();
  let text = '';
  const read = async () => {
    const body: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of body ?? []) text += decoder.decode(chunk, { stream: true });
  };
  return { text: () => text, done: read() };
}

describe('GET /v3/sessions/{name}/logs', () => {
  test('answers all phases in their order, or one from an offset', async () => {
    const jobId = await plan('stored');
    await append(jobId, 'ansible-0', 0, 'playbook\n');
    await append(jobId, 'inventory', 0, 'hosts\n');
    const all = await service.ask('GET', '/v3/sessions/stored/logs');
    expect(all).toMatchObject({ status: 200, body: 'hosts\nplaybook\n' });
    expect(all.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(all.headers.get('x-accel-buffering')).toBe('no');
    const one = await service.ask('GET', '/v3/sessions/stored/logs?phase=ansible-0&offset=4');
    expect(one.body).toBe('book\n');
    expect(one.headers.get('x-log-bytes')).toBe('9');
    const beyond = await service.ask('GET', '/v3/sessions/stored/logs?phase=inventory&offset=99');
    expect(beyond).toMatchObject({ status: 200, body: '' });
  });

  test('answers the bytes as they are', async () => {
    const jobId = await plan('binary');
    const bytes = randomBytes(300_000);
    await service.store.logs.append(jobId, 'inventory', 0, bytes.subarray(0, 100_000));
    await service.store.logs.append(jobId, 'inventory', 100_000, bytes.subarray(100_000));
    const response = await service.app.request('/v3/sessions/binary/logs?phase=inventory&offset=5');
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(5))).toBe(true);
  });

  test.each([
    ['offset=5', 400, 'offset'],
    ['phase=inventory&offset=-1', 400, 'offset'],
    ['follow=maybe', 400, 'follow'],
    ['phase=other', 404, 'inventory, ansible-0'],
  ])('%s is %d and names %s', async (query, status, named) => {
    if ((await service.store.sessions.find('refused')) === undefined) await plan('refused');
    const answer = await service.ask('GET', `/v3/sessions/refused/logs?${query}`);
    expect(answer).toMatchObject({ status, body: { detail: expect.stringContaining(named) } });
  });

  test('HEAD does not follow', async () => {
    await plan('head');
    const path = '/v3/sessions/head/logs?phase=inventory&follow=true';
    const answer = await service.ask('HEAD', path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-log-bytes')).toBe('0');
  });
});

describe('following', () => {
  test('continues live until the phase is sealed', async () => {
    const jobId = await plan('one-phase');
    await append(jobId, 'inventory', 0, 'a');
    const response = await service.app.request(
      '/v3/sessions/one-phase/logs?phase=inventory&follow=true',
    );
    const log = collect(response);
    await waitFor(() => log.text() === 'a');
    await append(jobId, 'inventory', 1, 'bc');
    await waitFor(() => log.text() === 'abc');
    await append(jobId, 'inventory', 3, 'd');
    await seal(jobId, 'inventory');
    await log.done;
    expect(log.text()).toBe('abcd');
  });

  test('waits for the plan, and goes through the phases until the session is complete', async () => {
    const body = { name: 'all-phases', configuration_name: 'debug_noop' };
    await service.ask('POST', '/v3/sessions', body);
    const response = await service.app.request('/v3/sessions/all-phases/logs?follow=true');
    const log = collect(response);
    const { jobId } = (await service.store.sessions.find('all-phases')) ?? { jobId: '' };
    await service.store.phases.savePlan(jobId, [
      { name: 'inventory', kind: 'inventory', title: 'inventory' },
      { name: 'ansible-0', kind: 'ansible', title: 'ansible-0' },
      { name: 'ansible-1', kind: 'ansible', title: 'ansible-1' },
    ]);
    await append(jobId, 'ansible-0', 0, 'two');
    await append(jobId, 'inventory', 0, 'one');
    await seal(jobId, 'inventory');
    await waitFor(() => log.text() === 'onetwo');
    const at = new Date().toISOString();
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, at);
    await log.done;
    expect(log.text()).toBe('onetwo');
  });

  test('continues after the session is deleted, until it is complete', async () => {
    const jobId = await plan('hidden');
    await service.store.sessions.claim(jobId, { at: new Date().toISOString() });
    const path = '/v3/sessions/hidden/logs?phase=ansible-0&follow=true';
    const log = collect(await service.app.request(path));
    await service.ask('DELETE', '/v3/sessions/hidden');
    await append(jobId, 'ansible-0', 0, 'last words');
    await waitFor(() => log.text() === 'last words');
    const at = new Date().toISOString();
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, at);
    await log.done;
  });

  test('ends when the body is cancelled, and leaves no subscription', async () => {
    await plan('left');
    const path = '/v3/sessions/left/logs?phase=inventory&follow=true';
    const response = await service.app.request(path);
    const reader = response.body?.getReader();
    const read = reader?.read();
    await reader?.cancel();
    expect(await read).toEqual({ done: true, value: undefined });
  });

  test('reads no faster than the follower does', async () => {
    const jobId = await plan('slow');
    const chunk = Buffer.alloc(100_000, 'x');
    for (let offset = 0; offset < 1_000_000; offset += chunk.length) {
      await service.store.logs.append(jobId, 'inventory', offset, chunk);
    }
    let yielded = 0;
    const { logs } = service.store;
    const counted = await openService({
      store: {
        ...service.store,
        logs: {
          ...logs,
          async *read(job, phase, offset) {
            for await (const part of logs.read(job, phase, offset)) {
              yielded += 1;
              yield part;
            }
          },
        },
      },
    });
    const path = '/v3/sessions/slow/logs?phase=inventory';
    const reader = (await counted.app.request(path)).body?.getReader();
    await reader?.read();
    await reader?.read();
    expect(yielded).toBe(2);
    await reader?.cancel();
    await counted.close();
  });
});

describe('over a socket', () => {
  test('a follower gets new bytes at once, and its disconnect ends the stream', async () => {
    const jobId = await plan('socket');
    let subscriptions = 0;
    const store = {
      ...service.store,
      subscribe(listener: Parameters<Store['subscribe']>[0]) {
        subscriptions += 1;
        const stop = service.store.subscribe(listener);
        return () => {
          subscriptions -= 1;
          stop();
        };
      },
    };
    const server = serve({ fetch: createApp({ ...service.deps, store }).fetch, port: 0 });
    if (!server.listening) await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const path = '/v3/sessions/socket/logs?follow=true';
    const asked = request({ host: '127.0.0.1', port, path }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    let text = '';
    response.setEncoding('utf8').on('data', (data: string) => (text += data));
    response.on('error', () => undefined);
    await append(jobId, 'inventory', 0, 'live');
    await waitFor(() => text === 'live');
    expect(subscriptions).toBe(1);
    response.destroy();
    await waitFor(() => subscriptions === 0);
    const closed = once(server, 'close');
    server.close();
    await closed;
  });
});
