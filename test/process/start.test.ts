import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { holdDataDirectory } from '../../src/process/data-directory.js';
import { describeFailure } from '../../src/process/run.js';
import { describeImages } from '../image-service/image-site.js';
import { findFreePort } from '../support/ssh-host.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';

type Program = 'api/server.js' | 'worker.js' | 'embedded.js' | 'image-service/main.js';

let directory: string;
let taken: Server;
let takenAddress: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-start-'));
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  takenAddress = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
});
afterAll(() => {
  taken.close();
  rmSync(directory, { recursive: true });
});

/** Everything that a program prints that ends at its start because of a mistake. */
async function startInVain(
  program: Program,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const file = fileURLToPath(new URL(`../../dist/${program}`, import.meta.url));
  const env = {
    ...{ PATH: process.env['PATH'], API_LISTEN: '127.0.0.1:0', KEELSON_DATA: makeDirectory() },
    ...(program === 'api/server.js' ? { RUNNER: 'none' } : {}),
    ...environment,
  };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file], { env, timeout: 120_000 }, (error, stdout, stderr) => {
      if (error?.code === 1) resolve(stdout + stderr);
      else reject(new Error(`${program} ended with ${error?.code ?? 0}: ${stdout}${stderr}`));
    });
  });
}

/** The only line; for a line of the log, its message. */
function toSentence(output: string): string {
  const lines = output.trim().split('\n');
  expect(lines).toHaveLength(1);
  const [line = ''] = lines;
  if (!line.startsWith('{')) return line;
  const { level, msg, err } = JSON.parse(line) as Record<'level' | 'msg' | 'err', unknown>;
  expect({ level, err }).toEqual({ level: 60 });
  return String(msg);
}

let directories = 0;
function makeDirectory(): string {
  directories += 1;
  const path = join(directory, String(directories));
  mkdirSync(path);
  return path;
}

function makeFile(text: string, name = 'file'): string {
  const path = join(makeDirectory(), name);
  writeFileSync(path, text);
  return path;
}

describe('a mistake in the environment is reported in one sentence with the variable', () => {
  test.each(['API_LISTEN', 'JOB_LISTEN', 'METRICS_LISTEN'])(
    '%s, an address that is in use',
    async (name) => {
      expect(toSentence(await startInVain('api/server.js', { [name]: takenAddress }))).toBe(
        `${name}: ${takenAddress}: another program listens there; stop it, or choose another port.`,
      );
    },
  );

  test.each<Program>(['api/server.js', 'embedded.js'])(
    'KEELSON_DATA of %s, where no directory can be',
    async (program) => {
      const data = join(makeFile(''), 'data');
      const environment = { KEELSON_DATA: data, RUNNER: 'none' };
      expect(toSentence(await startInVain(program, environment))).toMatch(
        new RegExp(`^KEELSON_DATA: .*${data}.* user of this process `),
      );
    },
  );

  test.each<Program>(['api/server.js', 'worker.js', 'embedded.js'])(
    'KEELSON_DATA of %s, below a directory in which none can be made',
    async (program) => {
      const environment = { KEELSON_DATA: '/proc/none/data', TEMPORAL_ADDRESS: 'localhost:1' };
      expect(toSentence(await startInVain(program, environment))).toBe(
        'KEELSON_DATA: the directory /proc/none/data cannot be written to (ENOENT). Name one that the user of this process may write to.',
      );
    },
  );

  test('KEELSON_DATA that a worker in another container uses, before Temporal is started on its file', async () => {
    const data = makeDirectory();
    const theirs = await holdDataDirectory(data, 'theirs', 0);
    const environment = { KEELSON_DATA: data, TEMPORAL_CLI: '/none', IMS_URL: 'http://none' };
    const output = await startInVain('embedded.js', environment).finally(() => theirs.close());
    expect(toSentence(output)).toMatch(/^KEELSON_DATA: a worker in another container /);
  }, 60_000);

  test('MASTER_KEY_FILE below a directory that cannot be created', async () => {
    const environment = { MASTER_KEY_FILE: '/proc/none/key' };
    expect(toSentence(await startInVain('api/server.js', environment))).toMatch(
      /^MASTER_KEY_FILE: \/proc\/none\/key can be neither read nor created /,
    );
  });

  test('KEELSON_DATA with a file that is no database', async () => {
    const file = makeFile(
      'no database at all, but long enough to be read as the header of one'.repeat(9),
      'keelson.db',
    );
    expect(toSentence(await startInVain('api/server.js', { KEELSON_DATA: join(file, '..') }))).toBe(
      `KEELSON_DATA: the database ${file} cannot be opened: file is not a database. It is damaged, or not an SQLite database: restore a backup.`,
    );
  });

  test('DATABASE_URL, where nobody listens', async () => {
    const host = `127.0.0.1:${await findFreePort()}`;
    const url = `postgresql://keelson:planted@${host}/keelson`;
    expect(toSentence(await startInVain('api/server.js', { DATABASE_URL: url }))).toBe(
      `DATABASE_URL: the database ${host}/keelson cannot be used: connect ECONNREFUSED ${host}. Start the server, or correct the URL.`,
    );
  });

  test('a secret file that cannot be read', async () => {
    const environment = { DATABASE_PASSWORD_FILE: makeDirectory() };
    expect(toSentence(await startInVain('api/server.js', environment))).toBe(
      `DATABASE_PASSWORD_FILE: the file ${environment.DATABASE_PASSWORD_FILE} cannot be read (EISDIR).`,
    );
  });

  test('AUTH_TOKENS_FILE with an invalid line', async () => {
    const file = makeFile('short read me\n');
    expect(toSentence(await startInVain('api/server.js', { AUTH_TOKENS_FILE: file }))).toMatch(
      new RegExp(`^AUTH_TOKENS_FILE: ${file}: Line 1 `),
    );
  });

  test('MASTER_KEY_FILE that is a directory', async () => {
    const environment = { MASTER_KEY_FILE: makeDirectory() };
    expect(toSentence(await startInVain('api/server.js', environment))).toMatch(
      new RegExp(`^MASTER_KEY_FILE: ${environment.MASTER_KEY_FILE} `),
    );
  });

  test('TEMPORAL_METRICS_LISTEN, an address that is in use', async () => {
    const environment = { TEMPORAL_METRICS_LISTEN: takenAddress, TEMPORAL_ADDRESS: 'localhost:1' };
    expect(toSentence(await startInVain('worker.js', environment))).toMatch(
      new RegExp(`^TEMPORAL_METRICS_LISTEN: ${takenAddress}: .*in use`),
    );
  });

  test('TEMPORAL_ADDRESS, where no Temporal answers', async () => {
    const address = `127.0.0.1:${await findFreePort()}`;
    expect(toSentence(await startInVain('worker.js', { TEMPORAL_ADDRESS: address }))).toBe(
      `TEMPORAL_ADDRESS: no Temporal answers at ${address}. Start it, or correct the address.`,
    );
  });
});

describeImages('an image service', () => {
  test.each(['/proc/none/images', '/dev/null/images'])(
    'says in one sentence that %s is no directory for it',
    async (path) => {
      const environment = { IMAGE_SERVICE_DIRECTORY: path };
      expect(toSentence(await startInVain('image-service/main.js', environment))).toMatch(
        new RegExp(
          `^IMAGE_SERVICE_DIRECTORY: the directory ${path} cannot be written to \\(E[A-Z]+\\)\\. `,
        ),
      );
    },
  );
});

describeWithPostgres('a PostgreSQL that answers, but', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  const open = async (change: (url: URL) => void) => {
    const url = new URL(await server.createDatabase());
    change(url);
    return toSentence(await startInVain('api/server.js', { DATABASE_URL: url.href }));
  };

  test('does not know the user', async () => {
    expect(await open((url) => (url.username = 'stranger'))).toMatch(
      /^DATABASE_URL: .*role "stranger" does not exist\. Correct the user of the URL, or the password /,
    );
  });

  test('does not have the database', async () => {
    expect(await open((url) => (url.pathname = '/none'))).toMatch(
      /^DATABASE_URL: .*database "none" does not exist\. Create it, /,
    );
  });

  test('lets the user make no tables', async () => {
    await server.query('create role guest login');
    expect(await open((url) => (url.username = 'guest'))).toMatch(
      /^DATABASE_URL: the user guest may not create tables in the database\. Make it the owner\.$/,
    );
  });

  test('speaks no TLS', async () => {
    expect(await open((url) => (url.search = '?sslmode=verify-full'))).toMatch(
      /^DATABASE_URL: .*SSL.* Correct sslmode and sslrootcert of the URL\.$/,
    );
  });
});

describe('describeFailure', () => {
  test('adds the cause to a message that names a variable', () => {
    const cause = new Error('connection refused');
    expect(describeFailure(new Error('TEMPORAL_ADDRESS: nobody answers.', { cause }))).toEqual({
      fields: { why: 'connection refused' },
      message: 'TEMPORAL_ADDRESS: nobody answers.',
    });
  });

  test('keeps the stack of everything else', () => {
    const defect = new TypeError('x is not a function');
    expect(describeFailure(defect)).toEqual({ fields: { err: defect }, message: defect.message });
    const other = new Error('PATH: not one of ours');
    expect(describeFailure(other).fields).toEqual({ err: other });
  });
});
