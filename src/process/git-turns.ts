import type { GitClient } from '../clients/interfaces.js';
import { createTurns, type Turns } from './turns.js';

/** Each request runs two or three processes until the server has answered. */
const AT_ONCE = 16;

/**
 * Limits how many requests the client makes to one server at a time; further requests wait for their turn. A server that does
 * not answer holds up no requests to other servers.
 */
export function limitGit(client: GitClient, atOnce = AT_ONCE): GitClient {
  const servers = new Map<string, { readonly turns: Turns; users: number }>();
  return {
    async resolve(url, ref, signal, access) {
      const name = toServer(url);
      const server = servers.get(name) ?? { turns: createTurns(atOnce), users: 0 };
      servers.set(name, server);
      server.users += 1;
      try {
        return await server.turns.take(() => client.resolve(url, ref, signal, access), signal);
      } finally {
        server.users -= 1;
        if (server.users === 0) servers.delete(name);
      }
    },
  };
}

/** SSH also has the forms `git@host:path` and `host:path`. The latter parses as a URL without a host. */
function toServer(url: string): string {
  const host = URL.parse(url)?.host || url.replace(/:.*/s, '').replace(/^.*@/s, '');
  return host.toLowerCase();
}
