import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { Repository } from '../../support/git-repository.js';
import type { Answer, TestService } from '../service.js';
import { clean, toExchange, type Exchange } from './record-requests.js';
import { beginning, steps, type Step, type Version } from './record-steps.js';
import { REPOSITORY, TENANTS } from './record-values.js';
import { RecordWorld, Refusal } from './record-world.js';

export interface ModelSite extends Pick<TestService, 'store' | 'setTime'> {
  readonly repository: Repository;
  /** Asks one of the services on the database. */
  readonly ask: (request: Omit<Exchange, 'answer'>) => Promise<Answer>;
}

/** On a database of its own, because it removes all records. */
export function checkRecords(site: ModelSite, numRuns: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(steps, (all) => play(site, all)),
    // A failure is shown even if there is no time to make it as short as possible.
    { numRuns, interruptAfterTimeLimit: 90_000 },
  );
}

async function play(site: ModelSite, all: readonly (readonly [Version, Step])[]): Promise<void> {
  const { repository, setTime } = site;
  const world = new RecordWorld(TENANTS, (url, branch) =>
    url === REPOSITORY && branch === repository.branch ? repository.commit : undefined,
  );
  await removeAll(site);
  const first = beginning.map((step): [Version, Step] => ['v3', step]);
  for (const [index, [version, step]] of [...first, ...all].entries()) {
    world.at = new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString().replace('.000', '');
    setTime(world.at);
    const exchange = toExchange(world, version, clean(step));
    const { status, body } = await askFor(site, exchange);
    const shown = status < 400 && !exchange.path.endsWith('/options') ? body : '';
    const got = status < 400 ? shown : (body as { title?: string }).title;
    expect({ version, step, status, body: got }).toEqual({ version, step, ...expected(exchange) });
  }
}

function expected({ answer }: Exchange) {
  try {
    const [status, body = ''] = answer();
    return { status, body: clean(body) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { status: error.status, body: error.title };
  }
}

async function removeAll({ store }: ModelSite): Promise<void> {
  const page = { limit: 1_000 };
  for (const { component } of (await store.components.list({}, page)).items)
    await store.components.remove(component.id);
  for (const { name } of (await store.configurations.list(page)).items)
    await store.configurations.remove(name);
  const { settings } = new RecordWorld([], () => undefined);
  await store.options.patch({
    defaultPageSize: settings.default_page_size,
    additionalInventorySource: settings.additional_inventory_source,
    defaultAnsibleConfig: settings.default_ansible_config,
    includeAraLinks: false,
  });
  for (const { name } of (await store.sources.list(page)).items) await store.sources.remove(name);
  await store.sessions.deleteMany({}, { at: '2026-01-01T00:00:00.000Z' });
}

/** The URL of the repository is another in each run, and so are the names of secrets. */
async function askFor({ ask, repository }: ModelSite, exchange: Exchange): Promise<Answer> {
  const { method, path, body, headers = {} } = exchange;
  const request = { method, path, body, headers };
  const answer = await ask(replaceUrl(request, REPOSITORY, repository.url));
  const shown = replaceUrl({ body: answer.body }, repository.url, REPOSITORY).body;
  const text = JSON.stringify(shown).replace(/cfs-source-credentials-[-0-9a-f]+/g, 'random');
  return { ...answer, body: JSON.parse(text) as unknown };
}

/** As it is, and as it is encoded in a query and in a path. */
function replaceUrl<T>(value: T, from: string, to: string): T {
  const once = encodeURIComponent;
  const twice = (url: string) => once(once(url));
  const text = JSON.stringify(value)
    .replaceAll(from, to)
    .replaceAll(once(from), once(to))
    .replaceAll(twice(from), twice(to));
  return JSON.parse(text) as T;
}
