import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findFreePort } from '../support/ssh-host.js';
import { PROGRAM, startReleaseServer, type ReleaseServer } from './release-server.js';
import { createMachine, type Machine } from './setup-run.js';

let machine: Machine;
let server: ReleaseServer;
let released: { readonly KEELSON_TEMPORAL_RELEASES: string };

beforeEach(async () => {
  machine = createMachine();
  server = await startReleaseServer();
  released = { KEELSON_TEMPORAL_RELEASES: server.url };
});

afterEach(async () => {
  await server.close();
  machine.remove();
});

describe('setup of Temporal', () => {
  test('uses the service that TEMPORAL_ADDRESS names', async () => {
    const run = await machine.run('temporal', { ...released, TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(run).toMatchObject({ code: 0, output: '' });
    expect(server.requests).toEqual([]);
  });

  test('uses the program on the path', async () => {
    machine.addProgram('temporal', PROGRAM);
    expect(await machine.run('temporal', released)).toMatchObject({ code: 0, output: '' });
    expect(server.requests).toEqual([]);
  });

  test('installs the release, says how large it is, and does nothing the second time', async () => {
    const first = await machine.run('temporal', released);
    expect(first).toMatchObject({ code: 0 });
    expect(first.output).toMatch(/downloads the release archive of \d+\.\d MB/);
    expect(readFileSync(cached(), 'utf8')).toBe(PROGRAM);
    const requests = server.requests.length;
    const second = await machine.run('temporal', released);
    expect(second).toMatchObject({ code: 0, output: '' });
    expect(server.requests).toHaveLength(requests);
  });

  test('refuses an archive that does not match its checksum', async () => {
    server.behaviour = 'corrupt';
    machine.addProgram('go', '#!/bin/sh\nexit 1\n');
    const run = await machine.run('temporal', released);
    expect(run.code).toBe(1);
    expect(run.output).toContain('does not match its checksum');
    expect(run.output).not.toContain('go install');
    expect(readdirSync(machine.cache)).toEqual([]);
  });

  test('leaves nothing half done when it is interrupted, and names the setup that another waits for', async () => {
    server.behaviour = 'stalling';
    const interrupt = await machine.runUntil('temporal', 'downloads the release', released);
    const [pid] = readFileSync(join(machine.cache, 'setup.lock'), 'utf8').split(' ');
    const said = `waiting for another setup to finish (process ${pid})`;
    const interruptOther = await machine.runUntil('temporal', said, released);
    expect(await interruptOther()).toMatchObject({ code: 130 });
    expect(await interrupt()).toMatchObject({ code: 130 });
    expect(existsSync(cached())).toBe(false);
    server.behaviour = 'good';
    expect(await machine.run('temporal', released)).toMatchObject({ code: 0 });
    expect(readdirSync(machine.cache)).toEqual(['temporal-1.5.1']);
  });

  test('lets one of two simultaneous setups install it', async () => {
    const runs = await Promise.all([
      machine.run('temporal', released),
      machine.run('temporal', released),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    expect(server.requests.filter((path) => path.startsWith('/files/'))).toHaveLength(2);
    expect(readFileSync(cached(), 'utf8')).toBe(PROGRAM);
  });

  test('compiles it if the release cannot be downloaded', async () => {
    machine.addProgram(
      'go',
      `#!/bin/sh\n[ "$*" = "install github.com/temporalio/cli/cmd/temporal@v1.5.1" ] || exit 1\n` +
        `printf '#!/bin/sh\\n' > "$GOBIN/temporal"\n/bin/chmod +x "$GOBIN/temporal"\n`,
    );
    const run = await machine.run('temporal', await nowhere());
    expect(run).toMatchObject({ code: 0 });
    expect(run.output).toContain('the release cannot be downloaded (connect ECONNREFUSED');
    expect(run.output).toContain('go install');
    expect(readFileSync(cached(), 'utf8')).toBe('#!/bin/sh\n');
  });

  test('says what to do when every way fails', async () => {
    const run = await machine.run('temporal', await nowhere());
    expect(run.code).toBe(1);
    expect(run.output).toContain('there is no Go to compile it');
    expect(run.output).toContain('TEMPORAL_ADDRESS');
  });

  test('waits five seconds for a connection, no longer', async () => {
    // Accepts TCP but never answers TLS, like a filtering proxy.
    const silent = createServer();
    const port = await findFreePort();
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
    const releases = { KEELSON_TEMPORAL_RELEASES: `https://127.0.0.1:${port}` };
    const run = await machine.run('temporal', releases);
    expect(run.output).toContain('no connection within 5 s');
    expect(run.milliseconds).toBeGreaterThan(4900);
    silent.close();
  });
});

describe('setup of Ansible', () => {
  test.each([
    ['python 3.9', '3 9 1'],
    ['python 3.14', '3 14 1'],
  ])('says what is needed when there is only %s', async (_, version) => {
    machine.addProgram('python-other', `#!/bin/sh\necho ${version}\n`);
    const run = await machine.run('ansible', { PYTHON: 'python-other' });
    expect(run.code).toBe(1);
    expect(run.output).toContain('Ansible needs Python 3.10 to 3.13');
    expect(run.output).not.toContain('    at ');
  });

  test.each([
    ['2.13.9', 1],
    ['2.14.18', 0],
    ['2.19.3', 0],
    ['2.20.0', 1],
  ])('takes version %s only when it is supported', async (version, code) => {
    machine.addProgram(
      'ansible-playbook',
      `#!/bin/sh\necho "ansible-playbook [core ${version}]"\n`,
    );
    const run = await machine.run('ansible', { ANSIBLE_PLAYBOOK: 'ansible-playbook' });
    expect(run.code).toBe(code);
  });
});

describe('setup of programs', () => {
  test('names what is missing and how to install it', async () => {
    const run = await machine.run('programs');
    expect(run.code).toBe(1);
    expect(run.output).toContain('Not found: git, ssh, ssh-keygen.');
    expect((await machine.run('server')).output).toMatch(/Not found: .*\bsetpriv\./);
  });

  // A stand-in for apt-get that records its arguments, and whether a package could start a service.
  const aptGet = (install: string) => `#!/bin/sh
if [ -e /usr/sbin/policy-rc.d ]; then services=denied; fi
echo "$* $services" >> "$HOME/apt"
case "$1" in
  update) echo 'W: Failed to fetch http://mirror.example.org/debian  Could not connect' ;;
  install) ${install} ;;
esac
`;
  const asked = () =>
    readFileSync(join(machine.cache, '..', 'apt'), 'utf8')
      .trimEnd()
      .split('\n');
  const isRoot = process.getuid?.() === 0;

  test('installs it as root, once, without starting a service', async () => {
    const bin = join(machine.cache, '..', 'bin');
    const brings = ['git', 'ssh', 'ssh-keygen'].map(
      (name) => `/bin/ln -s /bin/true ${bin}/${name}`,
    );
    machine.addProgram('apt-get', aptGet(brings.join('; ')));
    const hadPolicy = existsSync('/usr/sbin/policy-rc.d');
    const run = await machine.run('programs');
    if (!isRoot) {
      expect(run.output).toContain('sudo apt-get install --yes --no-install-recommends git');
      return;
    }
    expect(run).toMatchObject({ code: 0 });
    expect(asked()).toEqual([
      'update denied',
      'install --yes --no-install-recommends git openssh-client denied',
    ]);
    expect(existsSync('/usr/sbin/policy-rc.d')).toBe(hadPolicy);
    expect(await machine.run('programs')).toMatchObject({ code: 0, output: '' });
  });

  test('says what apt-get could not read if it does not know the package', async () => {
    machine.addProgram('apt-get', aptGet('echo "E: Unable to locate package git"; exit 100'));
    const run = await machine.run('programs');
    expect(run.code).toBe(1);
    if (!isRoot) return;
    expect(run.output).toContain('E: Unable to locate package git');
    expect(run.output).toContain('apt-get update had said:\nW: Failed to fetch http://...');
  });
});

function cached(): string {
  return join(machine.cache, 'temporal-1.5.1', 'temporal');
}

/** A release server that refuses connections. */
async function nowhere() {
  return { KEELSON_TEMPORAL_RELEASES: `http://127.0.0.1:${await findFreePort()}` };
}
