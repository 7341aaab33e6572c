export interface Layer {
  readonly clone_url: string;
  readonly playbook: string;
  readonly commit: string;
  readonly session_name?: string;
  readonly status?: string;
  readonly last_updated?: string;
}

export interface Body {
  readonly state?: readonly Layer[];
  readonly state_append?: Layer;
  readonly desired_config?: string;
  readonly error_count?: number;
  readonly retry_policy?: number;
  readonly enabled?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

export type Component = Omit<Body, 'state' | 'state_append'> & {
  readonly id: string;
  readonly state: readonly Layer[];
};

export interface Filters {
  readonly ids?: string;
  readonly status?: string;
  readonly enabled?: boolean;
  readonly config_name?: string;
  readonly tags?: string;
}

/** All that the service knows, by the tables of the contract: written to be read, not to be fast. */
export class World {
  /** The time of the request. */
  at = '';
  readonly components = new Map<string, Component>();
  readonly configurations = new Map<string, readonly Partial<Layer>[]>();
  options = { retries: 3, playbook: 'site.yml' };

  put(key: string, { state, state_append: appended, ...rest }: Body): Component {
    const layers = (state ?? []).map((each) => ({ ...each, last_updated: this.at }));
    const isAnew = rest.desired_config !== undefined || state?.length === 0;
    const count = isAnew && rest.error_count === undefined ? { error_count: 0 } : {};
    return this.keep(key, { id: key, ...rest, ...count, state: this.append(layers, appended) });
  }

  patch(key: string, { state, state_append: appended, ...rest }: Body) {
    const before = this.components.get(key) as Component;
    const layers = state?.map((each) => {
      const same = before.state.find(
        (old) => toText(old) === toText({ ...each, last_updated: old.last_updated ?? '' }),
      );
      return same ?? { ...each, last_updated: this.at };
    });
    const isAnew = rest.desired_config !== undefined || state?.length === 0;
    const count = isAnew && rest.error_count === undefined ? { error_count: 0 } : {};
    const tags = Object.entries({ ...before.tags, ...rest.tags }).filter(([, value]) => value);
    return this.keep(key, {
      ...{ ...before, ...rest, ...count, tags: Object.fromEntries(tags) },
      state: this.append(layers ?? before.state, appended),
    });
  }

  /** The configuration `layers` has two layers, one of them without a playbook; any other has none. */
  configure(name: string, commit: string): readonly Partial<Layer>[] {
    const [a, b] = ['https://git.example.com/a.git', 'https://git.example.com/b.git'];
    const layers = [
      { clone_url: a, commit },
      { clone_url: b, commit, playbook: 'b.yml' },
    ];
    const stored = name === 'layers' ? layers : [];
    this.configurations.set(name, stored);
    return stored;
  }

  private append(state: readonly Layer[], appended: Layer | undefined): readonly Layer[] {
    if (appended === undefined) return state;
    const [hash = '', word = 'applied'] = appended.commit.split('_');
    const others = state.filter(
      (old) => old.clone_url !== appended.clone_url || old.playbook !== appended.playbook,
    );
    const outcome = appended.status ?? word;
    return [...others, { ...appended, commit: hash, status: outcome, last_updated: this.at }];
  }

  private keep(key: string, component: Component) {
    this.components.set(key, component);
    return component;
  }

  view({ id: key }: Component) {
    const component = this.components.get(key) as Component;
    const { desired_config: wanted, error_count: errors = 0, retry_policy: policy } = component;
    const retries = policy ?? this.options.retries;
    const isMaxed = retries !== -1 && errors >= retries;
    const desired = (this.configurations.get(wanted ?? '') ?? []).map((each) => {
      const full = { ...each, playbook: each.playbook ?? this.options.playbook };
      const found = component.state.find(
        (old) =>
          old.clone_url === full.clone_url &&
          old.playbook === full.playbook &&
          old.commit === full.commit,
      );
      const isBad = found === undefined || ['failed', 'incomplete'].includes(found.status ?? '');
      if (full.commit === undefined) return { ...full, status: 'unconfigured' };
      if (!isBad) return { ...full, status: 'configured' };
      return { ...full, status: found?.status === 'failed' && isMaxed ? 'failed' : 'pending' };
    });
    const worst = ['unconfigured', 'failed', 'pending'].find((each) =>
      desired.some((layer) => layer.status === each),
    );
    const isStored = this.configurations.has(wanted ?? '');
    const empty = component.state.length === 0 ? 'unconfigured' : 'configured';
    const known = worst === 'pending' && isMaxed ? 'failed' : (worst ?? 'configured');
    const computed = wanted === undefined ? 'config_deprecated' : isStored ? known : empty;
    return { ...component, desired_state: desired, configuration_status: computed };
  }

  matching({ ids, status: wanted, enabled, config_name: configName, tags }: Filters) {
    const pairs = (tags ?? '')
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('='));
    return [...this.components.values()]
      .sort((left, right) => (left.id < right.id ? -1 : 1))
      .filter(
        (component) =>
          (!ids || ids.split(',').includes(component.id)) &&
          (!wanted || this.view(component).configuration_status === wanted) &&
          (enabled === undefined || component.enabled === enabled) &&
          (!configName || component.desired_config === configName) &&
          pairs.every(([key = '', value]) => component.tags?.[key] === value),
      );
  }
}

function toText(layer: Layer): string {
  return JSON.stringify(Object.entries(layer).sort());
}
