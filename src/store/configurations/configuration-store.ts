import type { Configuration } from '../../core/configuration.js';
import type { Page, PageRequest } from '../database/page.js';
import type { UseFilter } from './source-store.js';

export interface ConfigurationStore {
  find(name: string): Promise<StoredConfiguration | undefined>;
  /** A configuration is in use if some component is to have it. */
  list(page: PageRequest & UseFilter & { readonly tenant?: string }): Promise<Page<Configuration>>;
  /**
   * Creates or replaces it. With `ifVersion` only if that is the stored version (0: none is stored), else throws fault
   * `conflict`. Throws fault `invalid` if the source of a layer does not exist.
   */
  save(configuration: Configuration, ifVersion?: number): Promise<void>;
  /** Throws fault `missing` if it does not exist, and `invalid` if it is in use. `ifVersion` as in `save`. */
  remove(name: string, ifVersion?: number): Promise<void>;
}

export interface StoredConfiguration {
  readonly configuration: Configuration;
  /** Changes with each write, and is never used twice. */
  readonly version: number;
}
