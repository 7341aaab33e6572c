import type { Api } from './api.js';
import { toSessionPath } from './command.js';
import type { Host, Hosts } from './wire.js';

const HOSTS_PER_PAGE = 1_000;

interface Page {
  /** Parameters of the next page; null after the last. */
  readonly next: object | null;
}

/** Yields the pages of a list, each as the API answers it. */
export async function* readPages<P extends Page>(
  api: Api,
  path: string,
  parameters: object = {},
): AsyncGenerator<P, void, undefined> {
  for (let next: object | null = parameters; next !== null;) {
    const page: P = await api.ask<P>('GET', `${path}?${toQuery(next)}`);
    yield page;
    ({ next } = page);
  }
}

export async function* readHosts(
  api: Api,
  name: string,
  phase?: string,
): AsyncGenerator<readonly Host[], void, undefined> {
  const path = toSessionPath(name, 'hosts');
  for await (const { hosts } of readPages<Hosts>(api, path, { limit: HOSTS_PER_PAGE, phase }))
    yield hosts;
}

/** Leaves out parameters that are null, as in `next` of a list, or undefined. */
export function toQuery(parameters: object): string {
  const given = Object.entries(parameters).filter(([, value]) => value != null);
  const texts = given.map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(texts).toString();
}
