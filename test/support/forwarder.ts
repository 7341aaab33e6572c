import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listen } from './listen.js';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Forwarder extends Target {
  close(): Promise<void>;
}

/** Forwards a port of this address. `find` says for each connection where to. */
export async function openForwarder(
  host: string,
  find: () => Target | Promise<Target>,
): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    return socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  };
  const join = (client: Socket, target: Target) => {
    const server = keep(connect(target));
    client.pipe(server).pipe(client);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  };
  const server = createServer((client) => {
    keep(client);
    Promise.resolve(find()).then(
      (target) => join(client, target),
      () => client.destroy(),
    );
  });
  const port = await listen(server, 0, host);
  return {
    host,
    port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface Gate extends Target {
  /** How many connections have come. */
  knocks(): number;
  open(): void;
  shut(): void;
  close(): Promise<void>;
}

/** Answers each connection with `go`, but lets it wait until the gate is open. */
export async function openGate(host: string): Promise<Gate> {
  const waiting = new Set<Socket>();
  let [count, isOpen] = [0, false];
  const server = createServer((socket) => {
    count += 1;
    waiting.add(socket);
    socket.on('close', () => waiting.delete(socket)).on('error', () => undefined);
    if (isOpen) socket.end('go\n');
  });
  const port = await listen(server, 0, host);
  return {
    host,
    port,
    knocks: () => count,
    open() {
      isOpen = true;
      for (const socket of waiting) socket.end('go\n');
    },
    shut: () => void (isOpen = false),
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of waiting) socket.destroy();
      await closed;
    },
  };
}
