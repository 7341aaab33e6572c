import type { GitClient } from '../clients/interfaces.js';
import { createTurns, type Turns } from './turns.js';

/** Each request runs two or three processes until the server has answered. */
const AT_ONCE = 16;

/**
 * Limits how many requests the client makes to one server at a time; further requests wait for their turn. A server that does
 * not answer holds up no requests to other servers.
 */
export function limitGit(client: GitClient, atOnce = AT_ONCE): GitClient {
  const servers = new Map<string, Server>();
  return {
    async resolve(url, ref, signal, access, onMove) {
      const name = toServer(url);
      const server = servers.get(name) ?? createServer(atOnce);
      servers.set(name, server);
      server.users += 1;
      const waiting = { tell: () => onMove?.() };
      server.waiting.add(waiting);
      const act = async () => {
        server.waiting.delete(waiting);
        const commit = await client.resolve(url, ref, signal, access);
        for (const other of server.waiting) other.tell();
        return commit;
      };
      try {
        return await server.turns.take(act, signal);
      } finally {
        server.waiting.delete(waiting);
        server.users -= 1;
        if (server.users === 0) servers.delete(name);
      }
    },
  };
}

interface Server {
  readonly turns: Turns;
  readonly waiting: Set<{ readonly tell: () => void }>;
  users: number;
}

function createServer(atOnce: number): Server {
  return { turns: createTurns(atOnce), waiting: new Set(), users: 0 };
}

/** SSH also has the forms `git@host:path` and `host:path`. The latter parses as a URL without a host. */
function toServer(url: string): string {
  const host = URL.parse(url)?.host || url.replace(/:.*/s, '').replace(/^.*@/s, '');
  return host.toLowerCase();
}
