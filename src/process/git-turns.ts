import type { GitClient } from '../clients/interfaces.js';
import { createTurns, type Turns } from './turns.js';

/** Each takes two or three processes for as long as the server needs. */
const AT_ONCE = 16;

/**
 * The same client, by which so many ask one server at a time; the others wait for their turn. A server that does not answer
 * keeps nobody from asking another one.
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

/** SSH has a form of its own, `git@host:path` or `host:path`; the latter looks like a URL without a host. */
function toServer(url: string): string {
  const host = URL.parse(url)?.host || url.replace(/:.*/s, '').replace(/^.*@/s, '');
  return host.toLowerCase();
}
