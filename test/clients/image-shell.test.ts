import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createImageShell } from '../../src/clients/image-shell.js';
import { toImageKey } from '../../src/process/image-key.js';
import { runAlone } from '../support/own-process.js';
import { startSshHost, type SshHost } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

const never = new AbortController().signal;
const key = toImageKey(Buffer.alloc(32, 3), 'cfs-a-0123abcd');
const shell = createImageShell();
let directory: string;
let host: SshHost;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-image-shell-'));
  const file = join(directory, 'key');
  writeFileSync(file, key.privateKey, { mode: 0o600 });
  writeFileSync(`${file}.pub`, `${key.publicKey}\n`);
  host = await startSshHost({ name: 'image-shell', userKeyFile: file });
});
afterAll(async () => {
  await host.remove();
  rmSync(directory, { recursive: true });
});

const run = (command: string, port: number = host.port, privateKey = key.privateKey) =>
  shell.run({ host: '127.0.0.1', port }, privateKey, command, never);

describe('a shell in an image', () => {
  test('is unavailable if it cannot even connect, and a later abort does not end the process', () => {
    const said = runAlone(`
      const { createImageShell } = await import('./dist/clients/image-shell.js');
      const over = new AbortController();
      const place = { host: '127.0.0.1', port: 70_000 };
      await createImageShell()
        .run(place, ${JSON.stringify(key.privateKey)}, 'true', over.signal)
        .catch(({ fault }) => process.stdout.write(fault));
      over.abort();
      await new Promise(setImmediate);`);
    expect(said).toBe('unavailable');
  });

  test('keeps nothing of an ended command in memory', () => {
    const said = runAlone(`
      const { queryObjects } = await import('node:v8');
      const { default: ssh2 } = await import('ssh2');
      const { createImageShell } = await import('./dist/clients/image-shell.js');
      const shell = createImageShell();
      const place = { host: '127.0.0.1', port: ${host.port} };
      for (let left = 3; left > 0; left -= 1)
        await shell.run(place, ${JSON.stringify(key.privateKey)}, 'true', new AbortController().signal);
      const deadline = Date.now() + 10_000;
      const count = () => queryObjects(ssh2.Client);
      while (count() > 0 && Date.now() < deadline) await new Promise((go) => setTimeout(go, 20));
      process.stdout.write(String(count()));`);
    expect(said).toBe('0');
  });

  test('runs a command with the key of the session, which is in no file', async () => {
    const file = join(directory, 'said');
    await run(`echo done > ${file}`);
    expect(readFileSync(file, 'utf8')).toBe('done\n');
  });

  test('says how a failed command ended', async () => {
    await expect(run('exit 3')).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'IMAGE_PREPARE',
      message: `"exit 3" over SSH at 127.0.0.1:${host.port}: it ended with exit code 3.`,
    });
  });

  test('is unavailable if nothing listens or the key is refused', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await expect(run('true', port)).rejects.toMatchObject({ fault: 'unavailable' });
    const other = toImageKey(Buffer.alloc(32, 4), 'cfs-a-0123abcd').privateKey;
    await expect(run('true', host.port, other)).rejects.toMatchObject({
      fault: 'unavailable',
      message: expect.stringContaining('authentication methods failed'),
    });
  });

  test('notices an end that arrives together with the start', async () => {
    const server = createServer((client) => {
      const sshd = connect(host.port, '127.0.0.1');
      client.pipe(sshd);
      // Collects what sshd sends and passes it on in one go, once sshd has been silent for a while.
      const said: Buffer[] = [];
      const pass = () => client.write(Buffer.concat(said.splice(0)));
      let timer: NodeJS.Timeout | undefined;
      sshd.on('data', (bytes) => {
        said.push(bytes);
        clearTimeout(timer);
        timer = setTimeout(pass, 100);
      });
      for (const [socket, other] of [
        [client, sshd],
        [sshd, client],
      ] as const)
        socket.on('error', () => undefined).on('close', () => other.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await run('true', (server.address() as AddressInfo).port);
    server.close();
  });

  test('ends on an abort and if the connection is cut', async () => {
    const stop = new AbortController();
    const begun = join(directory, 'begun');
    const waiting = shell.run(
      { host: '127.0.0.1', port: host.port },
      key.privateKey,
      `touch ${begun}; sleep 600`,
      stop.signal,
    );
    waiting.catch(() => undefined);
    await waitFor(() => existsSync(begun));
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    await expect(run('kill -9 $PPID')).rejects.toMatchObject({ fault: 'unavailable' });
  });

  test('has a key that OpenSSH takes too', () => {
    const options = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];
    const argv = [
      '-p',
      String(host.port),
      '-i',
      join(directory, 'key'),
      ...options,
      `${host.user}@127.0.0.1`,
    ];
    execFileSync('ssh', [...argv, 'true'], { stdio: 'ignore' });
  });
});
