import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createApi } from '../../src/cli/api.js';
import { followEvents } from '../../src/cli/events.js';

const asked: (string | undefined)[] = [];
/** The first connection falls silent after one event, as if a firewall had dropped it. */
const server = createServer((request, response) => {
  asked.push(request.headers['last-event-id'] as string | undefined);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (asked.length === 1) response.write('event: log\nid: a/1\ndata: {"text":"one"}\n\n');
  else response.end('event: log\nid: a/2\ndata: {"text":"two"}\n\nevent: end\ndata: {}\n\n');
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('followEvents', () => {
  test('leaves a silent connection, and continues after the last event', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { signal } = new AbortController();
    const notices: string[] = [];
    const options = { signal, notify: (line: string) => void notices.push(line), silentMs: 50 };
    const events = [];
    for await (const event of followEvents(createApi({ url, signal }), '/events', options))
      events.push(event);
    expect(events).toEqual([
      { event: 'log', data: { text: 'one' } },
      { event: 'log', data: { text: 'two' } },
    ]);
    expect(asked).toEqual([undefined, 'a/1']);
    expect(notices).toEqual([
      'The connection was lost (silent for 0.05 s). Waiting to connect again …',
      'Connected again.',
    ]);
  });
});
