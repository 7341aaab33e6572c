/** Where content comes from, as it is stored: a branch layer carries both its branch and the commit it stood at. */
export interface RepositoryReference {
  readonly name?: string;
  readonly cloneUrl?: string;
  /** Name of a source (a later part of the API); exclusive with `cloneUrl`. */
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
}

export interface PinnedLayer {
  /** Index in the whole configuration, whatever the session's limit selects. */
  readonly index: number;
  readonly name?: string;
  readonly repository: PinnedRepository;
  readonly playbook: string;
}
