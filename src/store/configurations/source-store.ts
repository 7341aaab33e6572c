import type { Source } from '../../core/source.js';
import type { Page, PageRequest } from '../database/page.js';

export interface StoredSource {
  readonly source: Source;
  /** Encrypted. Absent if Vault has them. */
  readonly credentials?: string;
  readonly version: number;
}

export interface UseFilter {
  readonly inUse?: boolean;
}

export interface SourceStore {
  find(name: string): Promise<StoredSource | undefined>;
  /** Name → URL, of those of these names that exist. */
  findUrls(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** A source is in use if a configuration or the option `additional_inventory_source` names it. */
  list(page: PageRequest & UseFilter): Promise<Page<Source>>;
  /** Throws fault `conflict`, with the API's title, if the name is taken. Of concurrent calls exactly one succeeds. */
  insert(source: Source, credentials?: string): Promise<void>;
  /** Throws fault `conflict` if another version is stored. Configurations that name the source get a new version. */
  replace(stored: StoredSource): Promise<void>;
  /** Throws fault `invalid` if it is in use, and `missing` if it does not exist. */
  remove(name: string): Promise<void>;
}
