/** Where content comes from, as it is stored. With a branch, `commit` is the commit that the branch was at. */
export interface RepositoryReference {
  readonly name?: string;
  readonly cloneUrl?: string;
  /** Name of a source; exclusive with `cloneUrl`. */
  readonly source?: string;
  readonly commit?: string;
  readonly branch?: string;
}

export interface Layer extends RepositoryReference {
  /** If absent or empty, the option `default_playbook` applies. */
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
  /** Index in the whole configuration, even if the session's limit selects only some layers. */
  readonly index: number;
  readonly name?: string;
  readonly repository: PinnedRepository;
  readonly playbook: string;
}

/** Names of the sources that a configuration uses, each once. */
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
