import type { Source } from '../../core/source.js';
import type { Page, PageRequest } from '../database/page.js';

export interface StoredSource {
  readonly source: Source;
  /** Encrypted; absent where Vault has them. */
  readonly credentials?: string;
  readonly version: number;
}

/** A configuration's layer or inventory, or the option `additional_inventory_source`, names it. */
export interface UseFilter {
  readonly inUse?: boolean;
}

export interface SourceStore {
  find(name: string): Promise<StoredSource | undefined>;
  /** Those of the names that there are. */
  findNames(names: readonly string[]): Promise<ReadonlySet<string>>;
  list(page: PageRequest & UseFilter): Promise<Page<Source>>;
  /** Name taken: fault `conflict`, titled as the API wants. Of N at once exactly one succeeds. */
  insert(source: Source, credentials?: string): Promise<void>;
  /** Only where the stored version is that one, else fault `conflict`. Configurations that name it are looked at anew. */
  replace(stored: StoredSource): Promise<void>;
  /** In use: fault `invalid`; not there: `missing`. */
  remove(name: string): Promise<void>;
}
