import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../../support/wait.js';
import { fillPath, listOperations, type ApiDocument, type Operation } from '../operations.js';
import { completeSession } from '../service.js';
import { toPythonQuery } from './clients.js';
import type { ContractSite } from './site.js';

const there = {
  ...{ session_name: 'there', configuration_id: 'there' },
  ...{ component_id: 'there', source_id: 'there' },
};
const credentials = { username: 'reader', password: 'not-this-one' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** The member of each list, and the request for its first page. */
const lists = [
  [
    'sessions',
    '/v3/sessions?limit=1&status=pending&succeeded=none&name_contains=page&tags=set%3Dpages&min_age=0m&max_age=1w',
  ],
  ['configurations', '/v3/configurations?limit=1&in_use=False'],
  ['components', '/v3/components?limit=1&enabled=True&tags=set%3Dpages&state_details=True'],
  ['sources', '/v3/sources?limit=1&in_use=False'],
  ['hosts', '/v3/sessions/there/hosts?limit=1&phase=ansible-0'],
] as const;

export function transportContract(site: () => ContractSite): void {
  let operations: readonly Operation[] = [];
  const paths = () => [...new Set(operations.map(({ path }) => path))];
  beforeAll(async () => {
    const { ask, store } = site();
    operations = listOperations((await ask('GET', '/openapi.json')).body as ApiDocument);
    await ask('PUT', '/v3/configurations/there', { layers: [] });
    await ask('POST', '/v3/sessions', { name: 'there', configuration_name: 'there' });
    await ask('PUT', '/v3/components/there', { state: [] });
    const clone_url = 'https://git.example.com/site.git';
    await ask('POST', '/v3/sources', { name: 'there', clone_url, credentials });
    const { jobId } = (await store.sessions.find('there')) ?? { jobId: '' };
    await store.phases.savePlan(jobId, [{ name: 'ansible-0', kind: 'ansible', title: 'a' }]);
    const counts = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };
    const hosts = ['x1', 'x2', 'x/3'].map((host) => ({ host, ...counts }));
    await store.hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts });
    await completeSession(store, 'there');
    for (const name of ['page-1', 'page-2', 'page-3']) {
      const tags = { set: 'pages' };
      await ask('POST', '/v3/sessions', { name, configuration_name: 'there', tags });
      await ask('PUT', `/v3/configurations/${name}`, { layers: [] });
      await ask('PUT', `/v3/components/${name}`, { enabled: true, tags });
      await ask('POST', '/v3/sources', { name, clone_url, credentials });
    }
  });

  describe('every path', () => {
    test.each(['', '/apis/cfs'])('%s answers HEAD as GET, without a body', async (prefix) => {
      for (const { path } of operations.filter(({ method }) => method === 'GET')) {
        const target = `${prefix}${fillPath(path, there)}`;
        const [get, head] = [await site().ask('GET', target), await site().ask('HEAD', target)];
        expect([target, get.status, head.body]).toEqual([target, 200, '']);
        const shown = ({ status, headers }: typeof get) => [status, headers.get('content-type')];
        expect([target, ...shown(head)]).toEqual([target, ...shown(get)]);
      }
    });

    test('names the allowed methods in OPTIONS and in a 405', async () => {
      for (const path of paths()) {
        const taken = operations.filter((operation) => operation.path === path);
        const methods = taken.map(({ method }) => method);
        const allowed = ['OPTIONS', ...methods, ...(methods.includes('GET') ? ['HEAD'] : [])];
        const allow = allowed.sort().join(', ');
        for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE']) {
          if (methods.includes(method)) continue;
          const answer = await site().ask(method, fillPath(path, there));
          const status = method === 'OPTIONS' ? 200 : 405;
          expect([method, path, answer.status]).toEqual([method, path, status]);
          expect(answer.headers.get('allow')).toBe(allow);
          const problem = { title: 'Method Not Allowed', status: 405, type: 'about:blank' };
          if (status === 200) expect(answer.body).toBe('');
          else expect(answer.body).toMatchObject(problem);
        }
      }
    });

    test('may have doubled slashes', async () => {
      for (const path of ['//v3/options', '/apis/cfs//v2/options', '/v3//sessions/there']) {
        const merged = path.replaceAll('//', '/');
        const { ask } = site();
        const [answer, single] = [await ask('GET', path), await ask('GET', merged)];
        expect([path, answer.status, answer.body]).toEqual([path, 200, single.body]);
      }
    });

    test('is 404 with a trailing slash', async () => {
      for (const path of paths().filter((given) => given !== '/')) {
        const answer = await site().ask('GET', `${fillPath(path, there)}/`);
        expect([path, answer.status]).toEqual([path, 404]);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
      }
    });
  });

  describe('a query', () => {
    test.each([
      ['true', 200],
      ['True', 200],
      ['FALSE', 200],
      ['tRuE', 200],
      ...['', 'null', 'None', '1', '0', 'yes', 'true%20'].map((value) => [value, 400] as const),
    ] as const)('may say %s where it is to be true or false: %d', async (value, status) => {
      const { ask } = site();
      for (const version of ['v2', 'v3']) {
        const path = `/${version}/configurations?in_use=${value}`;
        expect((await ask('GET', path)).status).toBe(status);
      }
      const put = `/v3/configurations/flag?drop_branches=${value}`;
      expect((await ask('PUT', put, { layers: [] })).status).toBe(status);
      expect((await ask('GET', `/v3/sessions/there/logs?follow=${value}`)).status).toBe(status);
    });

    test('uses the last value of a repeated parameter, and ignores unknown ones', async () => {
      const { ask } = site();
      const good: Readonly<Record<string, string>> = {
        ...{ limit: '1', after_id: '', status: 'pending', succeeded: 'none', tags: 'a=b' },
        ...{ min_age: '1d', max_age: '1d', age: '1d', in_use: 'false', drop_branches: 'true' },
        ...{ name_contains: 'x', phase: 'ansible-0', offset: '0', follow: 'false' },
        ...{ enabled: 'true', state_details: 'true', config_details: 'true' },
        ...{ configDetails: 'true', state: 'open' },
      };
      for (const { method, path, queries } of operations) {
        if (method !== 'GET') continue;
        for (const name of queries) {
          const value = good[name] ?? '';
          const query = `?${name}=a%00b&foo=a%00b&${name}=${value}&configName=1&drop_branches=x`;
          const phase = name === 'offset' ? '&phase=ansible-0' : '';
          const answer = await ask(method, `${fillPath(path, there)}${query}${phase}`);
          expect([path, name, answer.status]).toEqual([path, name, 200]);
        }
      }
    });

    test.each(lists)('accepts next of %s unchanged, until there is none', async (member, first) => {
      const seen: string[] = [];
      for (let path: string | undefined = first; path !== undefined;) {
        const { status, body } = await site().ask('GET', path);
        expect(status).toBe(200);
        const page = body as Record<string, { name?: string; host?: string; id?: string }[]>;
        const records = page[member] ?? [];
        expect(records).toHaveLength(1);
        seen.push(...records.map(({ name, host, id }) => name ?? host ?? id ?? ''));
        const { next } = body as { next: Readonly<Record<string, unknown>> | null };
        path = next === null ? undefined : `${first.split('?', 1)[0]}?${toPythonQuery(next)}`;
      }
      expect(seen).toEqual([...new Set(seen)].sort());
      expect(seen.length).toBeGreaterThanOrEqual(3);
    });

    test('may be as long as a request line of 64 KiB', async () => {
      const { ask } = site();
      const most = 64 * 1024 - '/v3/sessions?name_contains='.length;
      const tags = Array.from({ length: 13_000 }, (_, index) => `${index.toString(36)}=`).join(',');
      for (const query of [
        `name_contains=${'x'.repeat(most)}`,
        `after_id=${'x'.repeat(most)}`,
        `tags=${tags.slice(0, most).replace(/,[^,]*$/, '')}`,
        `ids=${'x1000c0s0b0n0,'.repeat(4_500)}`,
      ]) {
        for (const method of ['GET', 'DELETE']) {
          const answer = await ask(method, `/v3/sessions?status=running&${query}`);
          expect([query.slice(0, 20), answer.status]).toEqual([query.slice(0, 20), 200]);
        }
      }
      expect((await ask('GET', `/v3/sessions?x=${'x'.repeat(100_000)}`)).status).toBe(431);
      expect((await ask('GET', `/v3/sessions/${'x'.repeat(60_000)}`)).status).toBe(404);
    });
  });

  describe('a body', () => {
    test('that is empty is 400 if one is required, and accepted if not, with or without a type', async () => {
      const { ask } = site();
      const rows = operations.filter(({ method }) => /POST|PUT|PATCH/.test(method));
      for (const { method, path } of rows) {
        const target = fillPath(path, there);
        const isOptional = /apply|cancel|hold|release|retry/.test(path);
        const isIgnored = method === 'PATCH' && path.includes('configurations');
        const expected = isOptional ? 409 : isIgnored ? 200 : 400;
        for (const [body, headers] of [
          [undefined, {}],
          [undefined, { 'content-length': '0' }],
          ['', JSON_TYPE],
          ['', { 'content-type': 'text/plain' }],
        ] as const) {
          const answer = await ask(method, target, body, headers);
          expect([method, path, headers, answer.status]).toEqual([method, path, headers, expected]);
        }
      }
    });

    test.each([
      'text/plain',
      'application/jsonp',
      'text/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=application/json',
    ])('of type %s is 415, and 400 for a PATCH of a session', async (type) => {
      const taking = operations.filter(({ example }) => example !== undefined);
      for (const { method, path, example } of taking) {
        const text = JSON.stringify(example);
        const answer = await site().ask(method, fillPath(path, there), text, {
          'content-type': type,
        });
        const isUndeclared = method === 'PATCH' && path.includes('sessions');
        expect([method, path, answer]).toEqual([
          method,
          path,
          expect.objectContaining({
            status: isUndeclared ? 400 : 415,
            body: expect.objectContaining({ detail: expect.stringContaining(type) }),
          }),
        ]);
      }
    });

    test.each([
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
      'application/merge-patch+json',
    ])('of type %s is JSON', async (type) => {
      const answer = await site().ask('PATCH', '/v3/options', '{}', { 'content-type': type });
      expect(answer.status).toBe(200);
    });
  });

  describe('a connection', () => {
    const host = 'Host: keelson\r\n';
    const end = `GET /v3 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;

    test('carries many requests, also after refused ones with unread bodies', async () => {
      const body = 'x'.repeat(site().deps.maxBodyBytes + 1);
      const asked = (line: string, type: string) =>
        `${line} HTTP/1.1\r\n${host}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const answers = await talk(
        site().url,
        `GET /v3 HTTP/1.1\r\n${host}\r\n` +
          asked('DELETE /v3/sessions/nobody', 'text/plain') +
          asked('POST /v3/sessions', 'application/json') +
          asked('PUT /v3/nothing', 'application/json') +
          asked('POST /v3/options', 'application/json') +
          end,
      );
      expect(readStatuses(answers)).toEqual([200, 404, 413, 404, 405, 200]);
    });

    test('carries a body in chunks, cut anywhere', async () => {
      const text = Buffer.from(JSON.stringify({ description: '€𝄞', layers: [] }));
      const chunks = Array.from(text, (byte) => [
        Buffer.from('1\r\n'),
        Buffer.from([byte, 13, 10]),
      ]);
      const head = `PUT /v3/configurations/chunked HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      const request = [Buffer.from(head), ...chunks.flat(), Buffer.from(`0\r\n\r\n${end}`)];
      expect(readStatuses(await talk(site().url, Buffer.concat(request)))).toEqual([200, 200]);
      expect((await site().ask('GET', '/v3/configurations/chunked')).body).toMatchObject({
        description: '€𝄞',
      });
    });

    test('carries the next request after the trailers of one, which count for nothing', async () => {
      const head = `PUT /v3/configurations/trailed HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      const body = `d;name=value\r\n{"layers":[]}\r\n0\r\nContent-Type: text/plain\r\nX-Other: x\r\n\r\n`;
      expect(readStatuses(await talk(site().url, head + body + end))).toEqual([200, 200]);
    });

    test('that waits for 100 Continue gets it, and then the answer', async () => {
      const body = '{}';
      const head = `PATCH /v3/options HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`;
      const answers = await talk(site().url, head, `${body}${end}`);
      expect(readStatuses(answers)).toEqual([100, 200, 200]);
    });

    test('of HTTP/1.0 is answered and closed', async () => {
      const answers = await talk(site().url, 'GET /v3/options HTTP/1.0\r\n\r\n');
      expect(readStatuses(answers)).toEqual([200]);
    });

    test.each([
      ['PUT', '/v3/configurations/broken'],
      ['PUT', '/v3/components'],
      ['PATCH', '/v3/sessions/there'],
    ])('that breaks off in the body of a %s of %s is no defect', async (method, path) => {
      const { url, lines } = site();
      const head = `${method} ${path} HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      const from = lines.length;
      expect(readStatuses(await talk(url, `${head}2\r\n[{\r\nno size\r\n`))).toEqual([400]);
      const answered = () => lines.slice(from).find(({ fields }) => 'status' in fields);
      await waitFor(() => answered() !== undefined, { what: 'the end of the request' });
      expect(answered()?.fields).toMatchObject({ method, path, status: 400 });
      expect(lines.slice(from).filter(({ level }) => level === 'error')).toEqual([]);
    });

    test.each([
      ['a NUL', 'GET /v3/sessions/a\0b HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['no host', 'GET /v3 HTTP/1.1\r\nConnection: close\r\n\r\n'],
      [
        'two lengths',
        `POST /v3/sessions HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
      ],
      [
        'a length and chunks',
        `POST /v3/sessions HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      [
        'chunks and a length',
        `POST /v3/sessions HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
      ],
      [
        'an encoding that is not chunked at last',
        `POST /v3/sessions HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      ],
      [
        'a blank before a colon',
        `POST /v3/sessions HTTP/1.1\r\n${host}Content-Length : 5\r\n\r\n0\r\n\r\n`,
      ],
      [
        'a length that is signed',
        `POST /v3/sessions HTTP/1.1\r\n${host}Content-Length: +2\r\n\r\n{}`,
      ],
      ['lines that end without a return', `GET /v3 HTTP/1.1\nHost: keelson\n\n`],
      ['no HTTP', 'hello\r\n\r\n'],
    ])('with %s is 400, and the service goes on', async (_, text) => {
      expect(readStatuses(await talk(site().url, text))).toEqual([400]);
      expect((await site().ask('GET', '/v3')).status).toBe(200);
    });
  });
}

/** Writes `first`, then `second` once an answer begins, and reads until the server closes. */
function talk(url: string, first: string | Buffer, second?: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    if (second !== undefined) socket.once('data', () => socket.write(second));
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(text);
    });
    socket.write(first);
  });
}

function readStatuses(answers: string): readonly number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}
