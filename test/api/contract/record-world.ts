import { World, type Layer } from './component-world.js';

export interface Reference {
  readonly name?: string;
  readonly clone_url?: string;
  readonly source?: string;
  readonly commit?: string;
  readonly branch?: string;
}

export interface ConfigurationLayer extends Reference {
  readonly playbook?: string;
  readonly special_parameters?: { readonly ims_require_dkms?: boolean };
}

export interface ConfigurationBody {
  readonly description?: string;
  readonly tenant_name?: string;
  readonly layers: readonly ConfigurationLayer[];
  readonly additional_inventory?: Reference;
}

export interface Configuration extends ConfigurationBody {
  readonly name: string;
  readonly last_updated: string;
}

export interface Source {
  readonly name: string;
  readonly clone_url: string;
  readonly last_updated: string;
  readonly description?: string;
  readonly ca_cert?: object;
  readonly credentials: { readonly authentication_method: string; readonly secret_name: string };
}

export interface SourceBody {
  readonly clone_url: string;
  readonly description?: string;
  readonly ca_cert?: object | null;
  readonly credentials?: object;
}

export interface SessionBody {
  readonly name: string;
  readonly configuration_name: string;
  readonly configuration_limit?: string;
  readonly ansible_limit?: string;
  readonly ansible_config?: string;
  readonly ansible_verbosity?: number;
  readonly ansible_passthrough?: string;
  readonly target?: {
    readonly definition?: string;
    readonly groups?: readonly { readonly name: string; readonly members: readonly string[] }[];
    readonly image_map?: readonly object[];
  };
  readonly tags?: Readonly<Record<string, string>>;
  readonly debug_on_failure?: boolean;
}

type Members = Readonly<Record<string, unknown>>;

export interface Session {
  readonly name: string;
  readonly configuration: Members;
  readonly ansible: Members;
  readonly target: Members;
  readonly status: { readonly artifacts: readonly Members[]; readonly session: Members };
  readonly tags: Readonly<Record<string, string>>;
  readonly debug_on_failure: boolean;
  readonly logs: string | null;
}

export interface SessionFilters {
  readonly status?: string;
  readonly succeeded?: string;
  readonly name_contains?: string;
  readonly tags?: string;
  readonly min_age?: string;
  readonly max_age?: string;
}

/** What the service refuses, with the title of the problem. */
export class Refusal extends Error {
  readonly status: number;
  readonly title: string;

  constructor(status: number, title: string) {
    super(title);
    this.status = status;
    this.title = title;
  }
}

/** The commit that a branch of a repository is at; undefined if there is none. */
export type Resolve = (url: string, branch: string) => string | undefined;

const MINUTES: Readonly<Record<string, number>> = { m: 1, h: 60, d: 1_440, w: 10_080 };

/** Configurations, sources and sessions by the tables of the contract, beside the components of `World`. */
export class RecordWorld extends World {
  readonly stored = new Map<string, Configuration>();
  readonly sources = new Map<string, Source>();
  readonly sessions = new Map<string, Session>();
  readonly settings = {
    default_page_size: 1_000,
    default_ansible_config: 'cfs-default-ansible-cfg',
    additional_inventory_source: '',
  };

  private readonly tenants: readonly string[];
  private readonly resolve: Resolve;

  constructor(tenants: readonly string[], resolve: Resolve) {
    super();
    this.tenants = tenants;
    this.resolve = resolve;
  }

  get now(): string {
    return `${this.at.slice(0, 19)}Z`;
  }

  /** Has the components compared with the configurations and sources as they are now. */
  settle(): void {
    this.configurations.clear();
    for (const [name, { layers }] of this.stored)
      this.configurations.set(
        name,
        layers.map((layer) => this.toDesired(layer)),
      );
  }

  private toDesired(layer: ConfigurationLayer): Partial<Layer> {
    const asked = ['clone_url', 'playbook', 'commit'];
    const all = Object.entries({ ...layer, clone_url: this.toUrl(layer) });
    return Object.fromEntries(all.filter(([member, value]) => value || !asked.includes(member)));
  }

  private toUrl({ source, clone_url: url }: Reference): string | undefined {
    return source ? this.sources.get(source)?.clone_url : url;
  }

  checkTenant(tenant: string | undefined): void {
    if (tenant && !this.tenants.includes(tenant)) throw new Refusal(400, 'Invalid tenant');
  }

  putConfiguration(
    name: string,
    body: ConfigurationBody,
    { tenant = '', isV2 = false, isDropping = false },
  ): Configuration {
    this.checkTenant(tenant);
    const old = this.stored.get(name);
    const { tenant_name: asked = '' } = body;
    if (tenant && asked && asked !== tenant) throw new Refusal(403, 'Forbidden operation.');
    if (tenant && old && old.tenant_name !== tenant) throw new Refusal(403, 'Forbidden operation.');
    const uses = listReferences(body);
    this.checkReferences(uses, isV2);
    const { additional_inventory: inventory = {} } = body;
    const layers = body.layers.map((each) => this.pin(each));
    const pinned = Object.keys(inventory).length > 0 ? this.pin(inventory) : undefined;
    const keys = layers.map((each) => JSON.stringify([this.toUrl(each), each.playbook ?? null]));
    if (new Set(keys).size < keys.length) throw new Refusal(400, 'Error with conflicting layers');
    const drop = <T extends Reference>({ branch, ...rest }: T) =>
      isDropping || branch === undefined ? rest : { ...rest, branch };
    const owner = isV2 ? old?.tenant_name : tenant || body.tenant_name;
    const made = {
      name,
      ...(body.description === undefined ? {} : { description: body.description }),
      ...(owner === undefined ? {} : { tenant_name: owner }),
      last_updated: this.now,
      layers: layers.map(drop),
      ...(pinned && { additional_inventory: drop(pinned) }),
    };
    this.stored.set(name, made);
    return made;
  }

  private checkReferences(uses: readonly Reference[], isV2: boolean): void {
    for (const { clone_url: url, source } of uses)
      if (!url === !source) throw new Refusal(400, 'Error handling source');
    for (const { commit, branch } of uses)
      if (commit !== undefined && branch !== undefined)
        throw new Refusal(400, isV2 ? 'Error handling error branches' : 'Error handling branches');
    for (const { source } of uses)
      if (source && !this.sources.has(source)) throw new Refusal(400, 'Source does not exist');
  }

  private pin<T extends Reference>(reference: T): T {
    if (reference.branch === undefined) return reference;
    const hasCa = this.sources.get(reference.source ?? '')?.ca_cert !== undefined;
    if (hasCa) throw new Refusal(400, 'Error converting branch name to commit');
    const commit = this.resolve(this.toUrl(reference) ?? '', reference.branch);
    if (commit === undefined) throw new Refusal(400, 'Error converting branch name to commit');
    return { ...reference, commit };
  }

  findConfiguration(name: string, tenant = ''): Configuration {
    this.checkTenant(tenant);
    const found = this.stored.get(name);
    if (found === undefined) throw new Refusal(404, 'Configuration not found');
    if (tenant && found.tenant_name !== tenant) throw new Refusal(403, 'Forbidden operation.');
    return found;
  }

  refreshConfiguration(name: string, tenant?: string): Configuration {
    const old = this.findConfiguration(name, tenant);
    const { additional_inventory: inventory } = old;
    const made = {
      ...old,
      last_updated: this.now,
      layers: old.layers.map((each) => this.pin(each)),
      ...(inventory && { additional_inventory: this.pin(inventory) }),
    };
    this.stored.set(name, made);
    return made;
  }

  removeConfiguration(name: string, tenant?: string): void {
    this.findConfiguration(name, tenant);
    if (this.isWanted(name)) throw new Refusal(400, 'Configuration is in use.');
    this.stored.delete(name);
  }

  private isWanted(name: string): boolean {
    return [...this.components.values()].some((each) => each.desired_config === name);
  }

  listConfigurations({ in_use: used, tenant }: { in_use: boolean | undefined; tenant: string }) {
    this.checkTenant(tenant);
    return inOrder(this.stored).filter(
      ({ name, tenant_name: owner }) =>
        (used === undefined || this.isWanted(name) === used) && (!tenant || owner === tenant),
    );
  }

  createSource(source: Source): Source {
    if (this.sources.has(source.name)) throw new Refusal(409, 'Conflicting source name');
    this.sources.set(source.name, source);
    return source;
  }

  findSource(name: string, title = 'Source not found'): Source {
    const found = this.sources.get(name);
    if (found === undefined) throw new Refusal(404, title);
    return found;
  }

  updateSource(name: string, body: Partial<SourceBody>): Source {
    const { ca_cert: before, ...old } = this.findSource(name, 'Source not found.');
    const { ca_cert: ca, credentials, ...rest } = body;
    const given = ca === undefined ? before : ca && { ...before, ...ca };
    const { host } = new URL(rest.clone_url ?? old.clone_url);
    const isOther = host !== '' && host !== new URL(old.clone_url).host;
    if (isOther && credentials === undefined) throw new Refusal(400, 'Invalid credentials');
    const made = { ...old, ...rest, ...(given ? { ca_cert: given } : {}), last_updated: this.now };
    this.sources.set(name, made);
    return made;
  }

  removeSource(name: string): void {
    this.findSource(name);
    if (this.isUsed(name)) throw new Refusal(400, 'Source is in use.');
    this.sources.delete(name);
  }

  private isUsed(name: string): boolean {
    if (this.settings.additional_inventory_source === name) return true;
    return [...this.stored.values()].some(({ layers, additional_inventory: inventory }) =>
      [...layers, inventory].some((each) => each?.source === name),
    );
  }

  listSources(used?: boolean): readonly Source[] {
    return inOrder(this.sources).filter(
      ({ name }) => used === undefined || this.isUsed(name) === used,
    );
  }

  createSession(body: SessionBody, { isV2 = false }): Session {
    const { name, configuration_name: configuration, target = {} } = body;
    if (this.sessions.has(name)) throw new Refusal(409, 'Conflicting session name');
    const isKnown = this.stored.has(configuration) || (!isV2 && configuration === 'debug_noop');
    if (!isKnown) throw new Refusal(400, 'Invalid configuration');
    const { definition = 'dynamic', groups = [] } = target;
    const needsGroups = ['spec', 'image'].includes(definition);
    const isWrong = needsGroups
      ? groups.length === 0 || groups.some(({ members }) => members.length === 0)
      : groups.length > 0;
    const isImage = definition === 'image' && groups.some((each) => each.members.includes('x1'));
    if (isWrong || isImage) throw new Refusal(400, 'Bad Request');
    const absent = isV2 ? null : '';
    const made: Session = {
      name,
      configuration: { name: configuration, limit: body.configuration_limit ?? '' },
      ansible: {
        config: body.ansible_config || this.settings.default_ansible_config,
        limit: body.ansible_limit ?? absent,
        verbosity: body.ansible_verbosity ?? 0,
        passthrough: body.ansible_passthrough ?? absent,
      },
      target: { definition, groups: target.groups ?? null, image_map: target.image_map ?? null },
      status: {
        artifacts: [],
        session: {
          ...{ job: null, ims_job: null, start_time: this.at.slice(0, 19) },
          ...{ completion_time: null, status: 'pending', succeeded: 'none' },
        },
      },
      tags: body.tags ?? {},
      debug_on_failure: body.debug_on_failure ?? false,
      logs: null,
    };
    this.sessions.set(name, made);
    return made;
  }

  findSession(name: string): Session {
    const found = this.sessions.get(name);
    if (found === undefined) throw new Refusal(404, 'Session not found.');
    return found;
  }

  /** The session of an external operator. */
  patchSession(
    name: string,
    { artifacts = [], session = {} }: { artifacts?: readonly Members[]; session?: Members },
    { isV2 = false },
  ): Session {
    const old = this.findSession(name);
    const before = old.status.session;
    const given = Object.fromEntries(
      Object.entries(session).filter(([, value]) => !isFalsy(value)),
    );
    if (before['job'] !== null && given['job'] !== undefined && !isV2)
      throw new Refusal(409, 'Session patch conflict.');
    const rise = (ranks: readonly unknown[], member: string) =>
      ranks.indexOf(given[member]) > ranks.indexOf(before[member]) ? given[member] : before[member];
    const status = rise(['pending', 'running', 'complete'], 'status');
    const end = given['completion_time'] ?? before['completion_time'];
    const added = [...old.status.artifacts];
    for (const each of artifacts)
      if (
        Object.keys(each).length > 0 &&
        !added.some((known) => Object.entries(each).every(([key, value]) => known[key] === value))
      )
        added.push(each);
    const made = {
      ...old,
      status: {
        artifacts: added,
        session: {
          ...before,
          ...given,
          status,
          succeeded: rise(['none', 'unknown', 'false', 'true'], 'succeeded'),
          completion_time: end ?? (status === 'complete' ? this.at.slice(0, 19) : null),
        },
      },
    };
    this.sessions.set(name, made);
    return made;
  }

  removeSession(name: string): void {
    this.findSession(name);
    this.sessions.delete(name);
  }

  matchingSessions(filters: SessionFilters): readonly Session[] {
    const { status, succeeded, name_contains: part = '', tags = '' } = filters;
    const pairs = tags
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('='));
    const newest = this.toTime(filters.min_age);
    const oldest = this.toTime(filters.max_age);
    return inOrder(this.sessions).filter(({ name, status: { session }, tags: own }) => {
      const started = Date.parse(`${String(session['start_time'])}Z`);
      return (
        (!status || session['status'] === status) &&
        (!succeeded || session['succeeded'] === succeeded) &&
        name.includes(part) &&
        pairs.every(([key = '', value]) => Object.hasOwn(own, key) && own[key] === value) &&
        (newest === undefined || started <= newest) &&
        (oldest === undefined || started >= oldest)
      );
    });
  }

  private toTime(age = ''): number | undefined {
    if (age === '') return undefined;
    const minutes = Number(age.slice(0, -1)) * (MINUTES[age.slice(-1).toLowerCase()] ?? 0);
    return Date.parse(this.at) - minutes * 60_000;
  }
}

function listReferences({ layers, additional_inventory: inventory = {} }: ConfigurationBody) {
  return Object.keys(inventory).length > 0 ? [...layers, inventory] : layers;
}

/** As in Python. */
function isFalsy(value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : !value;
}

/** By name, in the order of code points. */
export function inOrder<T>(records: ReadonlyMap<string, T>): readonly T[] {
  return [...records.entries()]
    .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    .map(([, record]) => record);
}
