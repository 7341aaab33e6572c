import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createPlainServer, request, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { parseTokens } from '../../src/api/auth.js';
import { openHttpService, type HttpService } from '../api/http-service.js';
import { PROGRAM, startKeelson } from './keelson.js';

const TOKEN = 'reader-token-0123456789';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const layer = {
  ...{ name: 'base', clone_url: 'https://git.example.org/base.git' },
  ...{ commit: 'a'.repeat(40), playbook: 'site.yml' },
};

let service: HttpService;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-cli-'));
  service = await openHttpService();
});
afterAll(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});

const keelson = (words: readonly string[], options?: Parameters<typeof startKeelson>[2]) =>
  startKeelson(service.url, words, options).ended;

describe('keelson', () => {
  test('knows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string;
    };
    const answer = { code: 0, err: '', text: `keelson ${version}\n` };
    expect(await keelson(['--version'])).toMatchObject(answer);
    expect(await keelson(['version'])).toMatchObject(answer);
  });

  test('has help for all commands and for each of them', async () => {
    const { code, text, err } = await keelson([]);
    expect([code, err]).toEqual([0, '']);
    const commands = [...text.matchAll(/^ {2}([a-z]+)( [[\]A-Z ]+)? {2,}/gm)].map(
      ([, word]) => word,
    );
    expect(commands).toEqual(
      'run list show watch logs hosts cancel hold rerun release retry apply delete configurations configure'.split(
        ' ',
      ),
    );
    const helps = await Promise.all(commands.map((word = '') => keelson([word, '--help'])));
    for (const [index, help] of helps.entries()) {
      expect(help).toMatchObject({ code: 0, err: '' });
      expect(help.text).toMatch(
        new RegExp(`^keelson ${commands[index] ?? ''} .*\\n\\n[A-Z].*\\.\\n`),
      );
      expect(help.text).toContain('KEELSON_TOKEN_FILE');
    }
  });

  test.each([
    [['shwo'], /^"shwo" is not a command: use run, list/],
    [['constructor'], /^"constructor" is not a command/],
    [
      ['--url', 'http://x', 'list'],
      /^The command comes first: keelson COMMAND --url\. \(see keelson --help\)\n$/,
    ],
    [['show'], /^keelson show takes NAME, which is missing\./],
    [['show', 'a', 'b'], /^keelson show takes NAME, not "a b"/],
    [['list', 'a'], /^keelson list takes no arguments, not "a"/],
    [['list', '--al'], /^Unknown option '--al' \(see keelson list --help\)\n$/],
    [['list', '--all', '--age', '1d'], /^--all and --age contradict each other/],
    [['run', 'base', '--tag', 'x'], /^--tag: "x" is not of the form KEY=VALUE/],
    [['run', 'base', '--verbosity', '5'], /^--verbosity: "5" is not 0, 1, 2, 3 or 4/],
    [['run', 'base', '--request', '/nowhere'], /no such file.*\/nowhere/],
    [['run', 'nowhere'], /nowhere/],
    [['list', '--url', 'ftp://x'], /^"ftp:\/\/x" is not an http or https URL/],
    [
      ['list', '--url', 'http://127.0.0.1:1'],
      /^No answer from http:\/\/127\.0\.0\.1:1 \(.*\): --url/,
    ],
    [['list', '--token-file', '/nowhere'], /no such file.*\/nowhere/],
    [['configure', 'x', '-'], /^- does not hold an object with layers/],
  ])('%j is refused with a sentence', async (words, said) => {
    const { code, text, err } = await keelson(words);
    expect([code, text]).toEqual([2, '']);
    expect(err).toMatch(said);
    expect(err).not.toMatch(/\n {4}at /);
  });

  test('says that its output cannot be written', () => {
    const run = (...stdio: readonly (number | 'ignore' | 'pipe')[]) =>
      spawnSync(process.execPath, [PROGRAM, '--help'], { stdio: [...stdio], encoding: 'utf8' });
    const full = openSync('/dev/full', 'w');
    try {
      expect(run('ignore', full, 'pipe')).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^The output cannot be written: ENOSPC.*\n$/),
      });
      expect(run('ignore', full, full)).toMatchObject({ status: 2 });
    } finally {
      closeSync(full);
    }
  });

  test('does not show the content of a wrong token file', async () => {
    const file = join(directory, 'tokens');
    for (const text of [`${TOKEN} read ann\n${TOKEN} write bob\n`, `${TOKEN}✓`, '']) {
      writeFileSync(file, text);
      const { code, err } = await keelson(['list', '--token-file', file]);
      expect([code, err]).toEqual([2, expect.stringMatching(/tokens must contain one token/)]);
      expect(err).not.toContain(TOKEN);
    }
  });

  test('treats an empty variable as absent', async () => {
    const env = { KEELSON_URL: '', KEELSON_TOKEN_FILE: '', KEELSON_CA_FILE: '' };
    const words = ['list', '--url', service.url, '--age', '1m'];
    expect(await keelson(words, { env })).toMatchObject({ code: 0, err: '' });
    // Whether something listens at the default address is unknown, so only the kind of error is checked.
    const { err } = await keelson(['configurations', 'nobody-has-this'], { env });
    expect(err).not.toContain('is not an http');
  });

  test('says that another server answers at the URL', async () => {
    let status = 200;
    const login = createPlainServer((_, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Log in</html>');
    });

    login.listen(0, '127.0.0.1');
    await once(login, 'listening');
    try {
      const url = `http://127.0.0.1:${(login.address() as AddressInfo).port}`;
      const refuse = async (...words: readonly string[]) => {
        expect(await startKeelson(url, words).ended).toMatchObject({
          ...{ code: 2, text: '' },
          err: expect.stringMatching(/^The server at http.* is not the API: --url/),
        });
      };
      for (const words of [['list'], ['watch', 'x'], ['logs', '-f', 'x'], ['run', 'x']])
        await refuse(...words);
      status = 404;
      await refuse('list');
    } finally {
      login.closeAllConnections();
      login.close();
    }
  });

  test('sends a token from a file, and says that one is missing', async () => {
    const guarded = await openHttpService({
      auth: {
        kind: 'tokens',
        tokens: parseTokens(`${TOKEN} read ann
`),
      },
    });
    try {
      const file = join(directory, 'token');
      writeFileSync(file, `${TOKEN}\n`);
      const list = (env: Readonly<Record<string, string>>) =>
        startKeelson(guarded.url, ['list'], { env }).ended;
      expect(await list({ KEELSON_TOKEN_FILE: file })).toMatchObject({ code: 0, err: '' });
      expect(await list({})).toMatchObject({
        code: 2,
        err: expect.stringContaining('KEELSON_TOKEN_FILE names a file with a token'),
      });
    } finally {
      await guarded.close();
    }
  });
});

/** Serves the API with a self-signed certificate. */
async function openTls(certificate: string, key: string): Promise<Server> {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'pipe' },
  );
  const server = createServer(
    { key: readFileSync(key), cert: readFileSync(certificate) },
    ({ method, url = '', headers }, response) => {
      request(`${service.url}${url}`, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      }).end();
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('keelson over TLS', () => {
  test('trusts the given certificate authority', async () => {
    const [certificate, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
    const server = await openTls(certificate, key);
    try {
      const url = `https://localhost:${(server.address() as AddressInfo).port}`;
      const list = (...words: readonly string[]) =>
        startKeelson(url, ['list', '--contains', 'tls', ...words]).ended;
      expect(await list('--ca-file', certificate)).toMatchObject({ code: 0, err: '' });
      expect(await list()).toMatchObject({
        code: 2,
        err: expect.stringMatching(/^No answer from https:.*SELF_SIGNED.*--ca-file/),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('the program in the checkout', () => {
  test('runs from anywhere, through a link too', () => {
    const link = join(directory, 'keelson');
    symlinkSync(join(ROOT, 'keelson'), link);
    const help = execFileSync(link, ['--help'], { cwd: directory, encoding: 'utf8' });
    expect(help).toMatch(/^keelson COMMAND \[options\]\n/);
  });
});

describe('keelson configure', () => {
  test('notices Ctrl-C while it waits for its input', async () => {
    const { child, ended } = startKeelson(service.url, ['configure', 'base', '-'], {
      isOpen: true,
    });
    // More than a pipe can buffer: once it is written, the program is reading.
    await new Promise((resolve) => child.stdin?.write(' '.repeat(1_000_000), resolve));
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, text: '', err: '' });
  });

  test('makes a configuration from YAML, and accepts its own output', async () => {
    expect((await keelson(['configurations'])).text).toMatch(/^No configurations\./);
    const made = await keelson(['configure', 'base', '-'], {
      input: stringify({ layers: [layer] }),
    });
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.text).toMatch(/base +https:\/\/git\.example\.org\/base\.git +a{12} +site\.yml/);
    const { text } = await keelson(['configurations', 'base']);
    expect(parse(text)).toMatchObject({ name: 'base', layers: [layer] });

    const file = join(directory, 'base.yaml');
    writeFileSync(file, text.replace('site.yml', 'other.yml'));
    const changed = await keelson(['configure', 'base', file, '--json']);
    expect(JSON.parse(changed.text)).toMatchObject({
      layers: [{ ...layer, playbook: 'other.yml' }],
    });
    const all = JSON.parse((await keelson(['configurations', '--json'])).text) as object[];
    expect(all).toHaveLength(1);
    expect((await keelson(['configurations'])).text).toMatch(/\nbase +1 +2/);
  });

  test('accepts its own output of a configuration with branches, and resolves them again', async () => {
    const { commit, ...rest } = layer;
    const [inventory, branched] = [{ clone_url: layer.clone_url }, { ...rest, branch: 'a: # b' }];
    const pinned = { cloneUrl: layer.clone_url, branch: 'a: # b', commit };
    await service.store.configurations.save({
      ...{ name: 'branched', lastUpdated: '2026-01-01T00:00:00Z' },
      layers: [{ ...pinned, name: 'base', playbook: 'site.yml' }],
      additionalInventory: pinned,
    });
    const { text } = await keelson(['configurations', 'branched']);
    expect(text.match(new RegExp(`# at ${commit}\\n`, 'g'))).toHaveLength(2);
    expect(parse(text)).toEqual({
      ...{ name: 'branched', last_updated: '2026-01-01T00:00:00Z', layers: [branched] },
      additional_inventory: { ...inventory, branch: 'a: # b' },
    });
    expect(
      JSON.parse((await keelson(['configurations', 'branched', '--json'])).text),
    ).toMatchObject({ layers: [{ branch: 'a: # b', commit }] });
  });
});
