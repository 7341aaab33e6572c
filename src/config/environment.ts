import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Address } from './address.js';
import type { Variable } from './variables.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables by kind of value. An empty variable counts as absent. Each method throws a plain Error that names the
 * variable and what is wrong with it.
 */
export interface EnvironmentReader {
  text(name: Variable): string | undefined;
  /** The absolute path of an existing file or directory: git and jobs run in other directories. */
  file(name: Variable): string | undefined;
  /** The content of the file. */
  content(name: Variable): Buffer | undefined;
  /** Without a trailing slash. */
  url(name: Variable): string | undefined;
  address(name: Variable): Address | undefined;
  integer(name: Variable, range: { readonly fallback: number; readonly minimum: number }): number;
  port(name: Variable, fallback: number): number;
}

export function createEnvironmentReader(environment: Environment): EnvironmentReader {
  const text = (name: Variable) => readText(environment, name);
  const integer: EnvironmentReader['integer'] = (name, { fallback, minimum }) => {
    const value = text(name);
    return value === undefined ? fallback : parseInteger(name, value, minimum);
  };
  return {
    text,
    file: (name) => checkFile(name, text(name)),
    content: (name) => readContent(name, text(name)),
    url: (name) => parseUrl(name, text(name)),
    address: (name) => parseAddress(name, text(name)),
    integer,
    port: (name, fallback) => checkPort(name, integer(name, { fallback, minimum: 0 })),
  };
}

/** Also for variables that are not ours, such as XDG_CACHE_HOME. */
export function readText(environment: Environment, name: string): string | undefined {
  return environment[name] === '' ? undefined : environment[name];
}

function checkFile(name: Variable, path: string | undefined): string | undefined {
  if (path !== undefined && !existsSync(path))
    throw new Error(`${name}: there is no file ${path}.`);
  return path === undefined ? undefined : resolve(path);
}

function readContent(name: Variable, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'ENOENT'
        ? `${name}: there is no file ${path}.`
        : `${name}: the file ${path} cannot be read (${code}).`,
    );
  }
}

function parseUrl(name: Variable, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    // The part before an @ may be a password.
    const shown = text.replace(/^.*@/s, '…@');
    throw new Error(`${name}: "${shown}" is not an http or https URL.`);
  }
  if (url.username !== '' || url.password !== '')
    throw new Error(
      `${name}: a URL is shown to people and must not contain a user name or password.`,
    );
  return text.replace(/\/+$/, '');
}

function parseAddress(name: Variable, text: string | undefined): Address | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:]+)):(?<port>\d+)$/.exec(text);
  const port = Number(match?.groups?.['port']);
  if (match?.groups === undefined || port > 65535)
    throw new Error(`${name}: "${text}" is not host:port.`);
  return { host: match.groups['six'] ?? match.groups['host'] ?? '', port };
}

function parseInteger(name: Variable, text: string, minimum: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || !Number.isSafeInteger(value))
    throw new Error(`${name}: "${text}" is not a whole number of at least ${minimum}.`);
  return value;
}

function checkPort(name: Variable, port: number): number {
  if (port > 65535) throw new Error(`${name}: "${port}" is not a port.`);
  return port;
}
