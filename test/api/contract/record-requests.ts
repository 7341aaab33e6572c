import type { Component, Filters, Layer } from './component-world.js';
import { inOrder, Refusal, type RecordWorld, type Session, type Source } from './record-world.js';
import type { Paging, Step, Version } from './record-steps.js';

/** A request, and the answer that the model gives to it. `answer` throws a `Refusal` if it is refused. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answer: () => readonly [status: number, body?: unknown];
}

type Defined<T> = { [Member in keyof T]: Exclude<T[Member], undefined> };
type Members = Readonly<Record<string, unknown>>;
type Act = Step['act'];
type StepOf<A extends Act> = Extract<Step, { readonly act: A }>;

/** Members that v2 does not have. */
const UNKNOWN = ['tenant_name', 'source', 'debug_on_failure', 'logs', 'ims_job', 'own'];
/** Members whose content has the same names in v2. */
const SAME = ['target', 'ansible', 'configuration', 'tags'];
/** What the status of a session has besides that of CFS. */
const OWN_STATUS = {
  ...{ reason: null, message: null, phase: null, host: null, task: null, waiting_since: null },
  ...{ queue_place: null, held_until: null, hold_command: null, check_mode: false },
  ...{ apply_of: null, retry_of: null },
};

export function toExchange(world: RecordWorld, version: Version, step: Step): Exchange {
  switch (step.act) {
    case 'PUT configuration':
      return putConfiguration(world, version, step);
    case 'GET configuration':
    case 'PATCH configuration':
    case 'DELETE configuration':
      return askConfiguration(world, version, step);
    case 'LIST configurations':
      return listConfigurations(world, version, step);
    case 'POST source':
    case 'RESTORE source':
      return createSource(world, step);
    case 'GET source':
    case 'PATCH source':
    case 'DELETE source':
    case 'LIST sources':
      return askSource(world, step);
    case 'POST session':
      return createSession(world, version, step);
    case 'GET session':
    case 'PATCH session':
    case 'DELETE session':
      return askSession(world, version, step);
    case 'DELETE sessions':
    case 'LIST sessions':
      return askSessions(world, version, step);
    case 'PUT component':
    case 'PATCH component':
    case 'DELETE component':
      return askComponent(world, version, step);
    case 'PATCH components':
    case 'LIST components':
      return askComponents(world, version, step);
    case 'OPTIONS':
      return patchOptions(world, step);
  }
}

function putConfiguration(
  world: RecordWorld,
  version: Version,
  { name, body: given, tenant = '', drop_branches: drop }: StepOf<'PUT configuration'>,
): Exchange {
  const isV2 = version === 'v2';
  const { layers, additional_inventory: inventory } = given;
  const known = clean({ ...given, tenant_name: undefined });
  const body = isV2
    ? {
        ...known,
        layers: layers.map(withUrl),
        ...(inventory && { additional_inventory: withUrl(inventory) }),
      }
    : given;
  const path = `${toPath(version, 'configurations', name)}${toQuery({ drop_branches: drop })}`;
  const rules = { tenant: isV2 ? '' : tenant, isV2, isDropping: !isV2 && drop === true };
  return {
    ...{ method: 'PUT', path, body: show(version, body), headers: toHeaders(tenant) },
    answer: () => [200, show(version, world.putConfiguration(name, body, rules))],
  };
}

/** A layer of v2 must have a URL, and cannot have a source. */
function withUrl<T extends { readonly clone_url?: string; readonly source?: string }>(layer: T) {
  const { source = '', clone_url: url = '' } = layer;
  const other = source.startsWith('file:') ? source : 'https://git.example.com/c.git';
  return { ...clean({ ...layer, source: undefined }), clone_url: url === '' ? other : url };
}

function askConfiguration(
  world: RecordWorld,
  version: Version,
  {
    act,
    name,
    tenant: given = '',
  }: StepOf<'GET configuration' | 'PATCH configuration' | 'DELETE configuration'>,
): Exchange {
  const tenant = version === 'v2' ? '' : given;
  return {
    ...{ method: toMethod(act), path: toPath(version, 'configurations', name) },
    headers: toHeaders(given),
    answer: () => {
      if (act === 'DELETE configuration') {
        world.removeConfiguration(name, tenant);
        return [204];
      }
      const found =
        act === 'GET configuration'
          ? world.findConfiguration(name, tenant)
          : world.refreshConfiguration(name, tenant);
      return [200, show(version, found)];
    },
  };
}

function listConfigurations(
  world: RecordWorld,
  version: Version,
  { in_use: used, tenant: given = '', page }: StepOf<'LIST configurations'>,
): Exchange {
  const tenant = version === 'v2' ? '' : given;
  const list = { key: 'configurations', toId: ({ name }: { name: string }) => name };
  return {
    ...{ method: 'GET', path: `/${version}/configurations${toQuery({ in_use: used, ...page })}` },
    headers: toHeaders(given),
    answer: () => {
      const all = world.listConfigurations({ in_use: used, tenant });
      const query = { in_use: used ?? null };
      const toShown = (each: object) => show(version, each);
      return toList(world, version, { ...list, all, page, query, toShown });
    },
  };
}

function createSource(
  world: RecordWorld,
  { act, name, body: given }: StepOf<'POST source' | 'RESTORE source'>,
): Exchange {
  const isNew = act === 'POST source';
  const { clone_url: url, description, ca_cert: ca } = given;
  const key = name ?? url;
  const kept = { authentication_method: 'password', secret_name: isNew ? 'random' : 'kept' };
  const body = isNew ? { ...given, name } : { ...given, credentials: kept };
  const made = { name: key, clone_url: url, description, credentials: kept };
  return {
    ...{ method: 'POST', path: isNew ? '/v3/sources' : toSourcePath(key), body },
    answer: () => {
      const source = clean({ ...made, ca_cert: ca ?? undefined, last_updated: world.now });
      return [201, world.createSource(source)];
    },
  };
}

function askSource(
  world: RecordWorld,
  step: StepOf<'GET source' | 'PATCH source' | 'DELETE source' | 'LIST sources'>,
): Exchange {
  if (step.act === 'LIST sources') return listSources(world, step);
  const { act, name } = step;
  return {
    ...{ method: toMethod(act), path: toSourcePath(name) },
    body: step.act === 'PATCH source' ? step.body : undefined,
    answer: () => {
      if (step.act === 'DELETE source') {
        world.removeSource(name);
        return [204];
      }
      if (step.act === 'GET source') return [200, world.findSource(name)];
      return [200, world.updateSource(name, step.body)];
    },
  };
}

function listSources(world: RecordWorld, { in_use: used, page }: StepOf<'LIST sources'>): Exchange {
  const list = {
    key: 'sources',
    toId: ({ name }: Source) => name,
    toShown: (each: Source) => each,
  };
  return {
    ...{ method: 'GET', path: `/v3/sources${toQuery({ in_use: used, ...page })}` },
    answer: () => {
      const all = world.listSources(used);
      return toList(world, 'v3', { ...list, all, page, query: { in_use: used ?? null } });
    },
  };
}

function createSession(
  world: RecordWorld,
  version: Version,
  { body: given }: StepOf<'POST session'>,
): Exchange {
  const isV2 = version === 'v2';
  const body = isV2 ? clean({ ...given, debug_on_failure: undefined }) : given;
  return {
    ...{ method: 'POST', path: `/${version}/sessions`, body: show(version, body) },
    answer: () => {
      const made = world.createSession(body, { isV2 });
      return [isV2 ? 200 : 201, showSession(version, made)];
    },
  };
}

function askSession(
  world: RecordWorld,
  version: Version,
  step: StepOf<'GET session' | 'PATCH session' | 'DELETE session'>,
): Exchange {
  const { act, name } = step;
  const isV2 = version === 'v2';
  const request = { method: toMethod(act), path: toPath(version, 'sessions', name) };
  if (step.act === 'DELETE session')
    return {
      ...request,
      answer: () => {
        world.removeSession(name);
        return [204];
      },
    };
  if (step.act === 'GET session')
    return { ...request, answer: () => [200, showSession(version, world.findSession(name))] };
  const { artifacts, session } = step.status;
  const known = isV2
    ? { artifacts: dropOwn(artifacts), session: dropUnknown(session) }
    : step.status;
  return {
    ...{
      ...request,
      body: { status: { artifacts, session: isV2 ? rename(session, []) : session } },
    },
    answer: () => [200, showSession(version, world.patchSession(name, clean(known), { isV2 }))],
  };
}

function askSessions(
  world: RecordWorld,
  version: Version,
  step: StepOf<'DELETE sessions' | 'LIST sessions'>,
): Exchange {
  const { act, filters } = step;
  const isV2 = version === 'v2';
  const page = act === 'LIST sessions' ? step.page : {};
  const request = {
    method: act === 'LIST sessions' ? 'GET' : 'DELETE',
    path: `/${version}/sessions${toQuery({ ...filters, ...page })}`,
  };
  if (act === 'DELETE sessions') {
    const answer = (): readonly [number, unknown?] => {
      const gone = world.matchingSessions({ status: 'complete', ...filters });
      for (const { name } of gone) world.removeSession(name);
      return isV2 ? [204] : [200, { session_ids: gone.map(({ name }) => name) }];
    };
    return { ...request, answer };
  }
  const names = ['min_age', 'max_age', 'status', 'succeeded', 'name_contains', 'tags'] as const;
  const query = Object.fromEntries(names.map((name) => [name, filters[name] ?? null]));
  const list = { key: 'sessions', page, query: { age: null, ...query } };
  const toShown = (session: Session) => showSession(version, session);
  return {
    ...request,
    answer: () => {
      const all = world.matchingSessions(filters);
      return toList(world, version, { ...list, all, toId: ({ name }) => name, toShown });
    },
  };
}

function askComponent(
  world: RecordWorld,
  version: Version,
  step: StepOf<'PUT component' | 'PATCH component' | 'DELETE component'>,
): Exchange {
  const { act, id } = step;
  const body = act === 'DELETE component' ? undefined : show(version, step.body);
  return {
    ...{ method: toMethod(act), path: toPath(version, 'components', id), body },
    answer: () => {
      if (act !== 'PUT component' && !world.components.has(id))
        throw new Refusal(404, 'Component not found.');
      if (act === 'DELETE component') {
        world.components.delete(id);
        return [204];
      }
      const made = act === 'PUT component' ? world.put(id, step.body) : world.patch(id, step.body);
      return [200, showComponent(version, made)];
    },
  };
}

function askComponents(
  world: RecordWorld,
  version: Version,
  step: StepOf<'PATCH components' | 'LIST components'>,
): Exchange {
  const isV2 = version === 'v2';
  const { act, filters } = step;
  const path = `/${version}/components`;
  if (act === 'PATCH components') {
    const body = { patch: show(version, step.body), filters: show(version, filters) };
    const answer = (): readonly [number, unknown] => {
      const after = findComponents(world, filters).map(({ id }) => world.patch(id, step.body));
      const ids = { component_ids: after.map(({ id }) => id) };
      return [200, isV2 ? after.map((each) => showComponent(version, each)) : ids];
    };
    return { method: 'PATCH', path, body, answer };
  }
  const details = { state_details: true, config_details: true };
  const { page } = step;
  const query = {
    ...{ ids: '', status: '', config_name: '', tags: '', enabled: null },
    ...{ ...filters, ...details },
  };
  const asked = show(version, { ...filters, ...details, ...page }) as object;
  const toShown = (each: Component) => showComponent(version, world.view(each));
  const list = { key: 'components', page, query, toId: ({ id }: Component) => id, toShown };
  return {
    ...{ method: 'GET', path: `${path}${toQuery(asked)}` },
    answer: () => toList(world, version, { ...list, all: findComponents(world, filters) }),
  };
}

function patchOptions(world: RecordWorld, { body }: StepOf<'OPTIONS'>): Exchange {
  return {
    ...{ method: 'PATCH', path: '/v3/options', body },
    answer: () => {
      Object.assign(world.settings, body);
      return [200];
    },
  };
}

function findComponents(world: RecordWorld, filters: Filters): readonly Component[] {
  world.settle();
  return inOrder(new Map(world.matching(filters).map((each) => [each.id, each])));
}

interface List<T> {
  readonly key: string;
  readonly all: readonly T[];
  readonly page: Paging;
  readonly query: object;
  readonly toId: (record: T) => string;
  readonly toShown: (record: T) => unknown;
}

/** v3 has pages; v2 refuses a list that is longer than one. */
function toList<T>(
  { settings: { default_page_size: size } }: RecordWorld,
  version: Version,
  { key, all, page: { limit = size, after_id: after = '' }, query, toId, toShown }: List<T>,
): readonly [number, unknown] {
  if (version === 'v2') {
    if (all.length > size) throw new Refusal(400, 'The response size is too large');
    return [200, all.map(toShown)];
  }
  const later = all.filter(
    (each) => Buffer.compare(Buffer.from(toId(each)), Buffer.from(after)) > 0,
  );
  const items = later.slice(0, limit);
  const last = items.at(-1);
  const hasMore = later.length > limit && last !== undefined;
  const next = hasMore ? { ...query, limit, after_id: toId(last) } : null;
  return [200, { [key]: items.map(toShown), next }];
}

function showSession(version: Version, session: Session): object {
  const { status } = session;
  const { job, start_time, completion_time, status: state, succeeded } = status.session;
  const known = { job, start_time, completion_time, status: state, succeeded };
  return version === 'v3'
    ? { ...session, status: { ...status, session: { ...OWN_STATUS, ...status.session } } }
    : (show('v2', { ...session, status: { ...status, session: known } }) as object);
}

function showComponent(version: Version, shown: Component): object {
  const { state, desired_state: desired } = shown as Component & { desired_state?: Layer[] };
  const bare = (layers: readonly Layer[] | undefined) =>
    layers?.map(({ clone_url, playbook, commit, session_name, last_updated }) => ({
      ...{ clone_url, playbook, commit, session_name, last_updated },
    }));
  return version === 'v3'
    ? shown
    : (show('v2', { ...shown, state: bare(state), desired_state: bare(desired) }) as object);
}

function show(version: Version, value: object): unknown {
  return version === 'v3' ? value : rename(value);
}

function rename(value: unknown, unknown: readonly string[] = UNKNOWN): unknown {
  if (Array.isArray(value)) return value.map((each) => rename(each, unknown));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !unknown.includes(key));
  return Object.fromEntries(
    kept.map(([key, member]) => [
      toV2Name(key),
      SAME.includes(key) ? member : rename(member, unknown),
    ]),
  );
}

function toV2Name(key: string): string {
  if (['additional_inventory', 'image_id', 'result_id'].includes(key)) return key;
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function dropOwn(artifacts: readonly Members[] | undefined): readonly Members[] | undefined {
  return artifacts?.map((each) => ({ ...each, own: undefined }));
}

function dropUnknown(session: Members | undefined): Members | undefined {
  return session && { ...session, ims_job: undefined, own: undefined };
}

/** Without the members that are undefined. */
export function clean<T>(value: T): Defined<T> {
  return JSON.parse(JSON.stringify(value)) as Defined<T>;
}

function toMethod(act: Act): string {
  return act.split(' ')[0] ?? '';
}

function toPath(version: Version, kind: string, name: string): string {
  return `/${version}/${kind}/${encodeURIComponent(name)}`;
}

function toSourcePath(name: string): string {
  return `/v3/sources/${encodeURIComponent(encodeURIComponent(name))}`;
}

function toHeaders(tenant: string): Readonly<Record<string, string>> {
  return tenant === '' ? {} : { 'Cray-Tenant-Name': tenant };
}

function toQuery(members: object): string {
  const given = Object.entries(clean(members)).map(([key, value]) => [key, String(value)]);
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given as [string, string][]).toString()}`;
}
