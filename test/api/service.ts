import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../src/api/app.js';
import type { ApiDependencies } from '../../src/api/dependencies.js';
import { createGitClient } from '../../src/clients/git.js';
import { createOpenSource } from '../../src/process/source-access.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';

export const MASTER_KEY = Buffer.from('a master key for tests, 32 bytes');

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed if it is JSON, else text. */
  readonly body: unknown;
}

export interface TestService {
  readonly store: Store;
  readonly deps: ApiDependencies;
  readonly app: ReturnType<typeof createApp>;
  readonly lines: readonly LogLine[];
  /** Sets the time of `now`. */
  readonly setTime: (iso: string | undefined) => void;
  ask(method: string, path: string, body?: unknown, headers?: Headers): Promise<Answer>;
  close(): Promise<void>;
}

/** The whole API over a real database and a real git client, without a listening socket. */
export async function openService(changes: Partial<ApiDependencies> = {}): Promise<TestService> {
  const { store, close } = await (changes.store === undefined ? openSqlite() : keep(changes.store));
  const lines: LogLine[] = [];
  let time: string | undefined;
  let suffix = 0;
  const deps: ApiDependencies = {
    store,
    git: createGitClient({ protocols: 'file' }),
    openSource: createOpenSource({ store: store.sources, masterKey: MASTER_KEY }),
    orchestrator: { check: () => Promise.resolve(true) },
    logger: collect(lines),
    version: '1.2.3',
    gitProtocols: 'https:ssh:file',
    masterKey: MASTER_KEY,
    maxBodyBytes: 64 * 1024,
    maxListBytes: 64 * 1024,
    auth: { kind: 'open' },
    now: () => time ?? new Date().toISOString(),
    newSuffix: () => (suffix++).toString(16).padStart(8, '0'),
    ...changes,
  };
  const app = createApp(deps);
  return {
    store,
    deps,
    app,
    lines,
    setTime(iso) {
      time = iso;
    },
    ask: (method, path, body, headers) => ask(app, { method, path, body, headers }),
    async close() {
      await close();
    },
  };
}

async function openSqlite(): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-api-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  const close = async () => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, close };
}

/** Leaves closing to the caller that opened the store. */
function keep(store: Store): Promise<OpenedStore> {
  return Promise.resolve({ store, close: () => Promise.resolve() });
}

interface OpenedStore {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Headers | undefined;
}

async function ask(
  app: TestService['app'],
  { method, path, body, headers = new Headers() }: Question,
): Promise<Answer> {
  if (body !== undefined && !headers.has('content-type')) {
    headers.set('content-type', 'application/json');
  }
  const response = await app.request(path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: toBytes(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  };
}

/** Text and bytes are sent unchanged, anything else as JSON. */
function toBytes(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (typeof body === 'string') return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}

function collect(lines: LogLine[]): ApiDependencies['logger'] {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Ends a session without a workflow. */
export async function completeSession(store: Store, name: string): Promise<void> {
  const session = await store.sessions.find(name);
  if (session === undefined) throw new Error(`no session ${name}`);
  await store.sessions.recordOutcome(
    session.jobId,
    { succeeded: 'true' },
    new Date().toISOString(),
  );
}
