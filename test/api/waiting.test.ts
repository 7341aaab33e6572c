import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { at } from '../support/store-builders.js';
import { readEvents } from './event-reader.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeEach(async () => {
  service = await openService();
  service.setTime(at(0));
});
afterEach(() => service.close());

const add = async (name: string) => {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  return (await service.store.sessions.find(name))?.jobId ?? '';
};

const readStatus = async (name: string) => {
  const { body } = await service.ask('GET', `/v3/sessions/${name}`);
  return (body as { status: { session: Record<string, unknown> } }).status.session;
};

describe('a session that waits', () => {
  test('says for what and since when, until it continues', async () => {
    const jobId = await add('a');
    expect(await readStatus('a')).toMatchObject({ message: null, waiting_since: null });
    service.setTime(at(60));
    expect(await readStatus('a')).toMatchObject({
      message: expect.stringContaining('Temporal has not taken it yet') as unknown,
      waiting_since: '2026-01-01T00:00:00',
      phase: null,
    });
    await service.store.sessions.claim(jobId, { at: at(60) });
    expect(await readStatus('a')).toMatchObject({ message: null, waiting_since: null });
    const wait = { since: at(61), message: 'Waiting: HSM', phase: 'inventory' };
    await service.store.sessions.recordWait(jobId, wait);
    expect(await readStatus('a')).toMatchObject({
      ...{ message: 'Waiting: HSM', phase: null, waiting_since: '2026-01-01T00:01:01' },
    });
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(62));
    expect(await readStatus('a')).toMatchObject({
      ...{ message: null, phase: null, waiting_since: null },
    });
  });

  test('shows it in its events, even if only time has passed', async () => {
    const jobId = await add('a');
    service.setTime('2026-01-01T00:00:04.900Z');
    const response = await service.app.request('/v3/sessions/a/events', {
      headers: { accept: 'text/event-stream' },
    });
    const events = readEvents(response);
    const next = async () => {
      const { data } = (await events.next()).value ?? { data: {} };
      const { message } = (data as { status: { session: { message: unknown } } }).status.session;
      return message;
    };
    expect(await next()).toBeNull();
    service.setTime(at(5));
    expect(await next()).toContain('Temporal has not taken it yet');
    await service.store.sessions.claim(jobId, { at: at(6) });
    expect(await next()).toBeNull();
    const wait = { since: at(7), message: 'Waiting: HSM', phase: 'inventory' };
    await service.store.sessions.recordWait(jobId, wait);
    expect(await next()).toBe('Waiting: HSM');
    await service.store.sessions.recordWaitEnd(jobId, wait);
    expect(await next()).toBeNull();
    await service.ask('POST', '/v3/sessions/a/cancel', { reason: 'enough' });
    expect(await next()).toMatch(/^Cancelled by api; it is about to be stopped .*: enough$/);
    await service.store.sessions.recordDispatched(jobId, 'cancelled');
    expect(await next()).toBe('Cancelled by api; it is being stopped: enough');
    await service.store.sessions.recordWait(jobId, wait);
    expect(await next()).toBe('Cancelled by api; it is being stopped: enough. Waiting: HSM');
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(8));
    expect(await next()).toBeNull();
    await events.return();
  });
});
