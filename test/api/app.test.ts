import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService({ uiUrl: 'http://127.0.0.1:8233' });
});
afterAll(() => service.close());

describe('service routes', () => {
  test.each(['/', '/versions', '/v2', '/v3', '/apis/cfs/', '/apis/cfs/v3'])(
    '%s tells the version of CFS from which clients conclude what they may use',
    async (path) => {
      const answer = await service.ask('GET', path);
      expect(answer).toMatchObject({
        status: 200,
        body: { major: '1', minor: '31', patch: '1' },
      });
    },
  );

  test('/healthz is ok while sessions are accepted, and shows the state of Temporal', async () => {
    const answer = await service.ask('GET', '/healthz');
    expect(answer).toMatchObject({
      status: 200,
      body: {
        db_status: 'ok',
        kafka_status: 'ok',
        temporal_status: 'ok',
        temporal_ui: 'http://127.0.0.1:8233',
      },
    });
  });

  test('/healthz stays ok without Temporal', async () => {
    const other = await openService({
      orchestrator: { check: () => Promise.reject(new Error('nobody there')) },
    });
    const answer = await other.ask('GET', '/healthz');
    expect(answer).toMatchObject({
      status: 200,
      body: { db_status: 'ok', temporal_status: 'not_available' },
    });
    await other.close();
  });

  test.each(['/healthz', '/healthz/ready'])('%s is 503 without the database', async (path) => {
    const other = await openService();
    await other.store.close();
    expect((await other.ask('GET', path)).status).toBe(503);
    expect((await other.ask('GET', '/healthz/live')).status).toBe(200);
    await other.close();
  });

  test('/openapi.json describes the API once, with problems and examples', async () => {
    const { status, body } = await service.ask('GET', '/apis/cfs/openapi.json');
    expect(status).toBe(200);
    const document = body as {
      info: { title: string };
      paths: Record<string, Record<string, { responses: object; parameters?: object[] }>>;
      components: { schemas: Record<string, object> };
    };
    expect(document.info.title).toBe('Keelson');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v3/sessions', '/v3/sessions/{session_name}/logs', '/v3/options']),
    );
    expect(Object.keys(document.paths).filter((path) => /apis|jobs/.test(path))).toEqual([]);
    expect(Object.keys(document.paths['/v3/sessions']?.['post']?.responses ?? {})).toEqual(
      expect.arrayContaining(['201', '400', '409', '413', '415']),
    );
    expect(document.components.schemas['V3SessionCreate']).toHaveProperty('example');
    expect(document.paths['/v3/sessions']?.['get']?.parameters).toContainEqual(
      expect.objectContaining({ name: 'limit', in: 'query', required: false }),
    );
  });
});

describe('routing', () => {
  test.each(['/nothing', '/v3/options/', '/v3/sessions/', '/v3//nothing', '/apis/cfs/nothing'])(
    '%s is a 404 problem',
    async (path) => {
      const answer = await service.ask('GET', path);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer).toMatchObject({
        status: 404,
        body: { type: 'about:blank', title: 'Not Found', status: 404 },
      });
    },
  );

  test.each([
    ['PUT', '/v3/options', 'GET, HEAD, OPTIONS, PATCH'],
    ['PATCH', '/v3/sessions', 'DELETE, GET, HEAD, OPTIONS, POST'],
    ['POST', '/apis/cfs/v3/configurations/a', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
    ['GET', '/v3/sessions/a/cancel', 'OPTIONS, POST'],
  ])('%s %s is 405 and tells what is allowed', async (method, path, allow) => {
    const answer = await service.ask(method, path);
    expect(answer).toMatchObject({ status: 405, body: { title: 'Method Not Allowed' } });
    expect(answer.headers.get('allow')).toBe(allow);
  });

  test('OPTIONS answers 200 with what is allowed', async () => {
    const answer = await service.ask('OPTIONS', '/v3/options');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('allow')).toBe('GET, HEAD, OPTIONS, PATCH');
  });

  test('HEAD works wherever GET does, without a body', async () => {
    const answer = await service.ask('HEAD', '/v3/options');
    expect(answer).toMatchObject({ status: 200, body: '' });
  });

  test('ignores unknown query parameters, and takes the last of a repeated one', async () => {
    const answer = await service.ask('GET', '/v3/sessions?foo=1&limit=x&limit=3&status=');
    expect(answer.status).toBe(200);
  });
});

describe('request log', () => {
  test('has one line per request, with constant text and neither query nor body', async () => {
    await setImmediate();
    const before = service.lines.length;
    await service.ask('PATCH', '/v3/options?secret=abc', { batch_size: 7 });
    await setImmediate();
    expect(service.lines.slice(before)).toEqual([
      {
        level: 'info',
        message: 'request answered',
        fields: {
          method: 'PATCH',
          path: '/v3/options',
          status: 200,
          durationMs: expect.any(Number),
        },
      },
    ]);
  });
});

test.each([
  ['PUT', '/v3/configurations/a', {}],
  ['PUT', '/v3/configurations/a', { 'content-length': '100' }],
  ['PATCH', '/v3/components', {}],
  ['PATCH', '/v3/components', { 'content-length': '100' }],
])('a body of %s %s that breaks off is no defect: %j', async (method, path, headers) => {
  const { app, lines } = service;
  const from = lines.length;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from('[{'));
    },
    pull(controller) {
      controller.error(new Error('aborted'));
    },
  });
  const given = { 'content-type': 'application/json', ...headers };
  const answer = await app.request(path, { method, body, headers: given, duplex: 'half' });
  expect(answer.status).toBe(400);
  expect(lines.slice(from).filter(({ level }) => level === 'error')).toEqual([]);
});
