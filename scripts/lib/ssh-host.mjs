import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { endingWithUs, endProcesses, findProcesses } from './processes.mjs';

const STARTS = 5;
/** Number of ports that are tried. */
const PORTS = 50;

/** @type {Set<import('node:child_process').ChildProcess>} */
const servers = new Set();
process.on('exit', () => servers.forEach((child) => child.kill('SIGKILL')));

/** @typedef {Awaited<ReturnType<typeof startSshHost>>} SshHost */

/**
 * @typedef {object} SshHostOptions
 * @property {string} name
 * @property {string} [directory] made anew when absent
 * @property {string} [userKeyFile] private key whose public half lies beside it; made when absent
 * @property {number} [port] a free one when absent; set it to start a stopped host again
 * @property {boolean} [outlives] it outlives the process that started it; otherwise it ends with it
 */

/**
 * A real SSH server on a free loopback port, run by the calling user. Sessions have its directory as HOME and as
 * KEELSON_WORLD, and temporary files beside it, where killed processes may leave them.
 * @param {SshHostOptions} options
 */
export async function startSshHost({ name, directory, userKeyFile, port, outlives = false }) {
  const base = directory ?? mkdtempSync(join(tmpdir(), `keelson-${name}-`));
  const files = writeHost(base, userKeyFile);
  const server = await startServer(base, files, { port, outlives });
  const processes = () => findHostProcesses(base);
  return {
    name,
    host: '127.0.0.1',
    port: server.port,
    address: `127.0.0.1:${server.port}`,
    user: userInfo().username,
    directory: files.world,
    hostKey: readFileSync(`${files.hostKeyFile}.pub`, 'utf8').trim(),
    userKeyFile: files.userKeyFile,
    variables: toVariables(server.port, files),
    serverLog: server.log,
    processes,
    /** Ends the server, its sessions and what they started. Keeps the directory. */
    stop: () => endProcesses(processes),
    async remove() {
      await endProcesses(processes);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** The server, its sessions and what they started, whoever started the server. @param {string} base */
export function findHostProcesses(base) {
  return findProcesses({
    texts: [join(base, 'sshd_config')],
    marks: [`KEELSON_WORLD=${join(base, 'world')}`],
  });
}

/** @param {string} base @param {string | undefined} givenKeyFile */
function writeHost(base, givenKeyFile) {
  const world = join(base, 'world');
  const hostKeyFile = join(base, 'host-key');
  const userKeyFile = givenKeyFile ?? join(base, 'user-key');
  const temporary = join(base, 'tmp');
  for (const folder of [world, temporary]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const file of [hostKeyFile, userKeyFile]) if (!existsSync(file)) createKey(file);
  const authorizedKeysFile = join(base, 'authorized-keys');
  writeFileSync(authorizedKeysFile, readFileSync(`${userKeyFile}.pub`), { mode: 0o600 });
  return { world, temporary, hostKeyFile, userKeyFile, authorizedKeysFile };
}

/** @param {string} file */
export function createKey(file) {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'keelson', '-f', file]);
}

/**
 * @param {string} base @param {ReturnType<typeof writeHost>} files
 * @param {{ port: number | undefined, outlives: boolean }} options
 */
async function startServer(base, files, { port: wished, outlives }) {
  if (isRoot()) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  for (let left = STARTS; ; left -= 1) {
    const port = wished ?? (await findFreePort());
    const configuration = join(base, 'sshd_config');
    writeFileSync(configuration, renderConfiguration(files, port));
    const logFile = join(base, 'sshd.log');
    const output = openSync(logFile, 'a', 0o600);
    // The server re-executes itself and therefore needs an absolute path.
    const command = /** @type {const} */ ([findServer(), '-D', '-e', '-f', configuration]);
    const [program, ...words] = outlives ? command : endingWithUs(command, 'TERM');
    // Detached, because Ctrl-C is for the caller.
    const child = spawn(program, words, {
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    const log = () => readFileSync(logFile, 'utf8');
    if (outlives) child.unref();
    else servers.add(child);
    child.once('exit', () => servers.delete(child));
    if (await isAnswering(port, child)) return { child, port, log };
    if (left === 1) throw new Error(`sshd did not start: ${log()}`);
  }
}

/** @param {ReturnType<typeof writeHost>} files @param {number} port */
function renderConfiguration(files, port) {
  return `Port ${port}
ListenAddress 127.0.0.1
HostKey ${files.hostKeyFile}
AuthorizedKeysFile ${files.authorizedKeysFile}
PidFile none
StrictModes no
UsePAM ${isLocked() ? 'yes' : 'no'}
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
LoginGraceTime 0
MaxStartups 200
MaxSessions 200
LogLevel ERROR
SetEnv HOME=${files.world} KEELSON_WORLD=${files.world} TMPDIR=${files.temporary}
Subsystem sftp internal-sftp -d ${files.world}
`;
}

/** @param {number} port @param {ReturnType<typeof writeHost>} files */
function toVariables(port, files) {
  return {
    ansible_host: '127.0.0.1',
    ansible_port: port,
    ansible_user: userInfo().username,
    ansible_ssh_private_key_file: files.userKeyFile,
    ansible_python_interpreter: findPython(),
    ansible_remote_tmp: join(files.world, '.ansible', 'tmp'),
    // A machine on which fifty sessions start at once is slow.
    ansible_timeout: 120,
  };
}

/** The interpreter itself, because a shim may need the caller's environment. */
export function findPython() {
  const ask = ['-c', 'import sys; print(sys.executable)'];
  return execFileSync(process.env.PYTHON ?? 'python3', ask, { encoding: 'utf8' }).trim();
}

function findServer() {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  const found = folders.map((folder) => join(folder, 'sshd')).find((file) => existsSync(file));
  if (found === undefined) throw new Error('There is no sshd. Run: npm run setup');
  return found;
}

/**
 * Below the kernel's range for outgoing connections, where another program could take the port before the server does.
 */
export async function findFreePort() {
  for (let left = PORTS; ; left -= 1) {
    const port = randomInt(15_000, 30_000);
    const server = createServer();
    const error = await new Promise((resolve) => {
      server.once('error', resolve);
      server.listen(port, '127.0.0.1', () => resolve(undefined));
    });
    if (error !== undefined && left > 0) continue;
    if (error !== undefined) throw error;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/**
 * Whether an SSH server greets on the port before the child ends.
 * @param {number} port @param {import('node:child_process').ChildProcess} child
 */
async function isAnswering(port, child) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline && isAlive(child);) {
    const greeted = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.setTimeout(2000, () => socket.destroy());
      socket.once(
        'data',
        (data) => resolve(data.toString().startsWith('SSH-')) ?? socket.destroy(),
      );
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    if (greeted) return isAlive(child);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** @param {import('node:child_process').ChildProcess} child */
function isAlive(child) {
  return child.exitCode === null && child.signalCode === null;
}

function isRoot() {
  return process.getuid?.() === 0;
}

/** Without PAM, a server run by root refuses users whose password is locked, even with a key. */
function isLocked() {
  if (!isRoot()) return false;
  const entry = readFileSync('/etc/shadow', 'utf8').match(/^root:([^:]*)/m);
  return entry?.[1]?.startsWith('!') ?? false;
}
