import type { Configuration } from '../../core/configuration.js';
import type { Page, PageRequest } from '../database/page.js';
import type { UseFilter } from './source-store.js';

export interface ConfigurationStore {
  find(name: string): Promise<StoredConfiguration | undefined>;
  /** A configuration is in use where some component is to have it. */
  list(page: PageRequest & UseFilter & { readonly tenant?: string }): Promise<Page<Configuration>>;
  /**
   * Creates or replaces it. With `ifVersion` only where that is the stored version (0: where none is stored), else it is fault
   * `conflict`. A layer whose source is not there is fault `invalid`.
   */
  save(configuration: Configuration, ifVersion?: number): Promise<void>;
  /** Fault `missing` where there is none, `invalid` where it is in use. `ifVersion` as in `save`. */
  remove(name: string, ifVersion?: number): Promise<void>;
}

export interface StoredConfiguration {
  readonly configuration: Configuration;
  /** Changes with each write, and never comes twice. */
  readonly version: number;
}
