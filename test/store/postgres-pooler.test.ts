import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { listen } from '../support/listen.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';

/** The parameters of a connection that PgBouncer knows and that matter here. It refuses those that it does not know. */
const KNOWN = ['user', 'database', 'application_name', 'client_encoding'];

describeWithPostgres('a pooler in front of PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;
  let pooler: Server;
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  afterEach(() => {
    pooler.close();
  });
  afterAll(() => server.close());

  const use = async (pool: (client: Socket) => void) => {
    pooler = createServer(pool);
    const port = await listen(pooler);
    const through = Object.assign(new URL(url), { port: String(port) });
    const store = await openPostgresStore({ url: through.href });
    await store.ping().finally(() => store.close());
  };

  test('works if it gives each client a connection of its own', async () => {
    await use((client) => void pipe(client, server.port));
  });

  test('is refused if several clients share a connection', async () => {
    const shared = connect(server.port);

    await expect(use(createSharing(shared))).rejects.toThrow(/pool_mode=session/);
    shared.destroy();
  });
});

async function pipe(client: Socket, port: number): Promise<void> {
  const [startup] = (await once(client, 'data')) as [Buffer];
  const unknown = readParameters(startup).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) return void client.end(renderRefusal(unknown));
  const backend = connect(port);
  backend.write(startup);
  client.pipe(backend).pipe(client);
}

/** Gives every client the same connection, which is enough while they take turns. Later clients get the greeting of the first. */
function createSharing(backend: Socket): (client: Socket) => void {
  let greeting: Buffer | undefined;
  let current: Socket | undefined;
  backend.on('data', (answer: Buffer) => {
    greeting ??= answer;
    current?.write(answer);
  });
  return (client) => {
    client.once('data', (startup: Buffer) => {
      current = client;
      if (greeting === undefined) backend.write(startup);
      else client.write(greeting);
      client.on('data', (request: Buffer) => {
        current = client;
        if (request.toString('latin1', 0, 1) === TERMINATE) client.end();
        else backend.write(request);
      });
    });
  };
}

const TERMINATE = 'X';
/** Of the first message: its length and the version of the protocol. */
const HEADER_BYTES = 8;

function readParameters(startup: Buffer): readonly string[] {
  return startup
    .toString('utf8', HEADER_BYTES)
    .split('\0')
    .filter((text, index) => index % 2 === 0 && text !== '');
}

function renderRefusal(parameter: string): Buffer {
  const fields = `SFATAL\0C08P01\0Munsupported startup parameter: ${parameter}\0\0`;
  const message = Buffer.alloc(5 + fields.length);
  message.write('E');
  message.writeUInt32BE(4 + fields.length, 1);
  message.write(fields, 5);
  return message;
}
