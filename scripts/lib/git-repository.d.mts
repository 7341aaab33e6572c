export interface RepositoryChange {
  readonly files?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
  readonly message?: string;
  readonly branch?: string;
}

export interface Repository {
  /** The bare repository's directory. */
  readonly directory: string;
  readonly url: string;
  readonly branch: string;
  /** Id of the first commit. */
  readonly commit: string;
  /** Commits to a branch (default: the first one) and returns the new commit's id. */
  addCommit(change: RepositoryChange): string;
  createBranch(name: string, from?: string): void;
  createTag(name: string, from?: string): void;
  remove(): void;
}

export function createRepository(options: {
  readonly files: Readonly<Record<string, string>>;
  readonly branch?: string;
  readonly directory?: string;
  /** Settings of the bare repository, such as `uploadpack.allowAnySHA1InWant`. */
  readonly config?: Readonly<Record<string, string>>;
}): Repository;
