import { cpSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRepository } from '../lib/git-repository.mjs';
import { createKey, startSshHost } from '../lib/ssh-host.mjs';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

export const HOSTS = ['x3000c0s1b0n0', 'x3000c0s2b0n0'];

/** The port of each host in examples/services. */
const PORTS = { x3000c0s1b0n0: 8443, x3000c0s2b0n0: 443 };

/**
 * Makes what a site provides: two SSH hosts, three git repositories and an inventory.
 * @param {string} directory @param {{ outlives: boolean }} options
 */
export async function createSite(directory, { outlives }) {
  const keyFile = join(directory, 'ssh-key');
  createKey(keyFile);
  const hosts = await Promise.all(
    HOSTS.map((name) => {
      const base = join(directory, name);
      mkdirSync(base);
      return startSshHost({ name, directory: base, userKeyFile: keyFile, outlives });
    }),
  );
  const inventoryFile = join(directory, 'inventory.yaml');
  cpSync(join(examples, 'inventory.yaml'), inventoryFile);
  const hostVariables = Object.fromEntries(
    hosts.map(({ name, variables }) => [`host_vars/${name}.yml`, renderVariables(variables)]),
  );
  const repository = (/** @type {string} */ name, files = {}) =>
    createExample(directory, name, files);
  return {
    keyFile,
    inventoryFile,
    hosts,
    base: repository('base'),
    services: repository('services'),
    inventory: repository('hosts', hostVariables),
  };
}

/**
 * Makes a git repository from a folder of examples/.
 * @param {string} directory @param {string} name @param {Record<string, string>} [files] beside those of the folder
 */
export function createExample(directory, name, files = {}) {
  return createRepository({
    directory: join(directory, 'git', name),
    files: { ...readTree(join(examples, name)), ...files },
  });
}

/** Without the key, which the service has. @param {Readonly<Record<string, string | number>>} variables */
function renderVariables({ ansible_ssh_private_key_file: _key, ...variables }) {
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  );
  return `---\n${lines.join('\n')}\n`;
}

/** @param {string} root @returns {Record<string, string>} */
function readTree(root) {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const files = names.map((name) => join(root, name)).filter((file) => statSync(file).isFile());
  return Object.fromEntries(
    files.map((file) => [relative(root, file), readFileSync(file, 'utf8')]),
  );
}

/**
 * Returns what is wrong with the files that the playbooks should have made.
 * @param {readonly import('../lib/ssh-host.mjs').SshHost[]} hosts @param {string} session
 */
export function findMissing(hosts, session) {
  return hosts.flatMap(({ name, directory }) => {
    const port = PORTS[/** @type {keyof typeof PORTS} */ (name)];
    const expected = {
      'etc/motd': `This is ${name} of the example site.`,
      'etc/node-service.conf': `name = ${name}\nport = ${port}\n`,
      'var/log/configured': `${session}: ${name}\n`,
    };
    return Object.entries(expected).flatMap(([file, text]) =>
      readOr(join(directory, file)).includes(text) ? [] : [`${name}: ${file} is not as expected`],
    );
  });
}

/** @param {string} file */
function readOr(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Writes the configuration of the Cray CLI: http only, no login.
 * @param {string} directory @param {string} api
 */
export function writeCrayConfiguration(directory, api) {
  const folder = join(directory, 'cray', 'configurations');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'default'), `[core]\nhostname = "${api}"\n`);
  return join(directory, 'cray');
}
