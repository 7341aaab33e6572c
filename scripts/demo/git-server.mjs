import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

/**
 * Serves the repositories of a directory as plain files over HTTP, from which git can clone.
 * @param {string} directory
 */
export async function startGitServer(directory) {
  for (const name of readdirSync(directory)) {
    execFileSync('git', ['update-server-info'], { cwd: join(directory, name, 'repository.git') });
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    readFile(join(directory, pathname)).then(
      (content) => response.writeHead(200).end(content),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    /** @param {string} name */
    toUrl: (name) => `http://127.0.0.1:${port}/${name}/repository.git`,
    close: () => server.close(),
  };
}
