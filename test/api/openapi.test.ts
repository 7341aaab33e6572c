import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from '@hono/zod-openapi';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toCheck } from '../../src/core/check-mode.js';
import { toSnapshot } from '../../src/core/pin.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { openService, type TestService } from './service.js';

type Schema = Readonly<Record<string, unknown>>;
type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema: Schema;
}

interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The records that the paths name; they exist before each call. */
const THERE = 'compute-0';
const AT = '2026-01-02T03:04:05.000Z';

let document: Document;
let repository: Repository;
beforeAll(async () => {
  repository = createRepository({ files: { 'site.yml': '' } });
  const service = await openService();
  document = (await service.ask('GET', '/openapi.json')).body as Document;
  await service.close();
});
afterAll(() => repository.remove());

async function startService() {
  const service = await openService();
  const server = serve({ fetch: service.app.fetch, port: 0 });
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    service,
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
      await service.close();
    },
  };
}

/** A configuration that sessions name, and a session that runs and is held. */
async function addSource(service: TestService): Promise<void> {
  await service.ask('POST', '/v3/sources', {
    name: THERE,
    clone_url: 'https://git.example.com/a.git',
    credentials: { username: 'u', password: 'p' },
  });
}

async function prepare(service: TestService): Promise<void> {
  const { store } = service;
  const layers = [{ clone_url: repository.url, branch: 'main', playbook: 'site.yml' }];
  for (const name of [THERE, 'compute'])
    await service.ask('PUT', `/v3/configurations/${name}`, { layers });
  await service.ask('PUT', `/v3/components/${THERE}`, { desired_config: 'compute' });
  const body = { name: THERE, configuration_name: 'compute', debug_on_failure: true };
  await service.ask('POST', '/v3/sessions', body);
  const { jobId } = (await store.sessions.find(THERE)) ?? { jobId: '' };
  await store.phases.savePlan(jobId, [{ name: 'ansible-0', kind: 'ansible', title: 'ansible-0' }]);
  await store.sessions.claim(jobId, { at: AT });
  await store.sessions.recordLaunch(jobId, { at: AT, incarnation: 'i' });
  const hold = { since: AT, until: '2100-01-01T00:00:00.000Z', command: 'sh', canRerun: true };
  await store.phases.hold(jobId, 'ansible-0', hold, AT);
  const silence = { task: 'Mount', since: AT, hosts: 1, names: ['x1'], others: 0 };
  await store.phases.tellSilence(jobId, 'ansible-0', { sequence: 1, silence });
}

async function failSession({ store }: TestService): Promise<void> {
  const { jobId } = (await store.sessions.find(THERE)) ?? { jobId: '' };
  await store.sessions.recordOutcome(jobId, { succeeded: 'false' }, AT);
}

/** A check of the configuration that `prepare` has made. */
async function checkSession({ store }: TestService): Promise<void> {
  const { jobId = '', request } = (await store.sessions.find(THERE)) ?? {};
  if (request === undefined) throw new Error('There is no session.');
  await store.sessions.requestDelete(THERE, { at: AT });
  const check = { jobId: `${jobId}-check`, request: toCheck(request), createdAt: AT };
  const repositories = [{ url: repository.url, commit: repository.commit }];
  const { configuration } = (await store.configurations.find('compute')) ?? {};
  const basis = { request, configuration, options: await store.options.get() };
  const snapshot = toSnapshot(basis, { layers: repositories });
  await store.sessions.insert({ ...check, snapshot });
  await store.sessions.recordOutcome(check.jobId, { succeeded: 'true' }, AT);
}

function operations(): readonly { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
}

function resolve(schema: Schema): Schema {
  const reference = schema['$ref'];
  if (typeof reference !== 'string') return schema;
  return document.components.schemas[reference.split('/').at(-1) ?? ''] ?? {};
}

/** Repositories of examples cannot be reached. */
function toBody(example: unknown): string {
  const text = JSON.stringify(example);
  return text.replaceAll(/https:\/\/git\.example\.(?:com|org)\/[\w-]+\.git/g, repository.url);
}

function readExample({ method, path, operation }: ReturnType<typeof operations>[number]) {
  const content = operation.requestBody?.content['application/json'];
  if (content === undefined) return undefined;
  const example = resolve(content.schema)['example'];
  if (example === undefined) throw new Error(`${method} ${path} has a body and no example.`);
  return toBody(example);
}

function toValidator(schema: Schema) {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  return z.fromJSONSchema(
    JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as Parameters<
      typeof z.fromJSONSchema
    >[0],
  );
}

describe('/openapi.json', () => {
  test('is a valid document of OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate({ ...document });
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
  });

  test('describes the purpose and the success of every operation', () => {
    for (const { method, path, operation } of operations()) {
      expect([method, path, operation]).toEqual([
        method,
        path,
        expect.objectContaining({ summary: expect.stringMatching(/./) }),
      ]);
      expect(Object.keys(operation.responses).some((status) => /^2/.test(status))).toBe(true);
    }
  });

  test('declares 409 for operations that can meet concurrent changes', () => {
    const refusing = operations()
      .filter(({ operation }) => '409' in operation.responses)
      .map(({ method, path }) => `${method} ${path}`);
    expect(refusing).toEqual(
      expect.arrayContaining([
        'PATCH /v2/configurations/{configuration_id}',
        'DELETE /v2/configurations/{configuration_id}',
        'PATCH /v3/configurations/{configuration_id}',
        'DELETE /v3/configurations/{configuration_id}',
        'PATCH /v3/sources/{source_id}',
      ]),
    );
  });

  test.each(['V3SessionCreate', 'SessionTargetCreate'])('describes the members of %s', (name) => {
    const { properties } = document.components.schemas[name] as {
      properties: Record<string, { description?: string }>;
    };
    const silent = Object.entries(properties).filter(([, { description }]) => !description);
    expect(silent.map(([member]) => member)).toEqual(
      name === 'V3SessionCreate' ? ['name', 'target'] : [],
    );
  });

  test('gives every operation a unique operationId for client generators', () => {
    const names = operations().map(({ operation }) => operation.operationId);
    expect(names).toContain('get_v3_sessions_session_name_logs');
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^\w+$/.test(name ?? ''))).toBe(true);
  });

  test('is true: every operation succeeds with its example as described', async () => {
    const all = operations();
    expect(all.length).toBeGreaterThan(20);
    for (const each of all) {
      const { method, path, operation } = each;
      const called = `${method} ${path}`;
      const running = await startService();
      try {
        await prepare(running.service);
        if (path.endsWith('/apply')) await checkSession(running.service);
        if (path.endsWith('/retry')) await failSession(running.service);
        if (called !== 'POST /v3/sources/{source_id}') await addSource(running.service);
        const body = readExample(each);
        const target = path.replaceAll(/\{\w+\}/g, THERE);
        const response = await fetch(`${running.url}${target}`, {
          method,
          signal: AbortSignal.timeout(20_000),
          ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
        });
        const declared = operation.responses[String(response.status)];
        const type = response.headers.get('content-type')?.split(';', 1)[0] ?? '';
        if (!response.ok || declared === undefined) {
          throw new Error(`${called}: ${response.status} ${await response.text()}`);
        }
        if (type === 'text/event-stream') {
          expect([called, Object.keys(declared.content ?? {})]).toEqual([called, [type]]);
          await response.body?.cancel();
          continue;
        }
        const text = await response.text();
        const content = declared.content?.[type];
        if (text === '' && declared.content === undefined) continue;
        if (content === undefined) throw new Error(`${called}: ${type} is not in the document.`);
        if (type !== 'application/json') continue;
        const checked = toValidator(content.schema).safeParse(JSON.parse(text));
        expect([called, checked.error?.issues]).toEqual([called, undefined]);
      } finally {
        await running.close();
      }
    }
  });
});
