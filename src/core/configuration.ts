/** Where content comes from, as it is stored: a branch layer carries both its branch and the commit it stood at. */
export interface RepositoryReference {
  readonly name?: string;
  readonly cloneUrl?: string;
  /** Name of a source; exclusive with `cloneUrl`. */
  readonly source?: string;
  readonly commit?: string;
  readonly branch?: string;
}

export interface Layer extends RepositoryReference {
  /** Absent or empty: the option `default_playbook`. */
  readonly playbook?: string;
  readonly imsRequireDkms?: boolean;
}

export interface Configuration {
  readonly name: string;
  readonly description?: string;
  readonly tenantName?: string;
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  readonly lastUpdated: string;
  readonly layers: readonly Layer[];
  readonly additionalInventory?: RepositoryReference;
}

/** A repository at one commit: what a job clones. */
export interface PinnedRepository {
  readonly url: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Name of the source whose credentials open it. */
  readonly source?: string;
}

export interface PinnedLayer {
  /** Index in the whole configuration, whatever the session's limit selects. */
  readonly index: number;
  readonly name?: string;
  readonly repository: PinnedRepository;
  readonly playbook: string;
}

/** Names of the sources that it uses, each once. */
export function listSources({
  layers,
  additionalInventory,
}: Pick<Configuration, 'layers' | 'additionalInventory'>): readonly string[] {
  const names = [...layers, ...(additionalInventory === undefined ? [] : [additionalInventory])]
    .map(({ source }) => source)
    .filter((name) => name !== undefined)
    .filter(Boolean);
  return [...new Set(names)];
}
