import type {
  Component,
  ComponentPatch,
  ComponentPut,
  ConfigurationStatus,
  DesiredLayerStatus,
} from '../../core/component.js';
import type { Page, PageRequest } from '../database/page.js';

/**
 * Every write changes all that it names, or nothing; `at` is an ISO time. `toResult` is called for one component after the other,
 * so that no caller holds more of them than it needs.
 */
export interface ComponentStore {
  find(id: string): Promise<ComponentView | undefined>;
  list(filter: ComponentFilter, page: PageRequest): Promise<Page<ComponentView>>;
  /** Creates or replaces them, in this order. Of an id that comes twice the last is stored. */
  put<T>(
    components: readonly ComponentPut[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Patches them in this order; ids may repeat. One that is not stored is fault `missing`, and nothing is changed. */
  patch<T>(
    patches: readonly (ComponentPatch & Pick<Component, 'id'>)[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Patches all that match. The results are by id, and include components that the patch leaves as they are. */
  patchMatching<T>(
    filter: ComponentFilter,
    patch: ComponentPatch,
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Like `patchMatching`, but returns ids alone, which is much cheaper where the patch sets nothing but columns. */
  patchAll(filter: ComponentFilter, patch: ComponentPatch, at: string): Promise<readonly string[]>;
  /**
   * Patches each component that is stored with what `decide` makes of it; undefined leaves it as it is. What it is shown cannot
   * change meanwhile. Returns the ids of those that changed.
   */
  change(
    ids: readonly string[],
    decide: (view: ComponentView) => ComponentPatch | undefined,
    at: string,
  ): Promise<readonly string[]>;
  /** Fault `missing` where there is none. */
  remove(id: string): Promise<void>;
  /** Creates those that are not there, disabled and without state. Returns how many. */
  addMissing(ids: readonly string[]): Promise<number>;
}

/** All given filters hold. */
export interface ComponentFilter {
  readonly ids?: readonly string[];
  readonly status?: ConfigurationStatus;
  readonly enabled?: boolean;
  readonly configName?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A component, with what follows from its configuration, the sources and the options as they are now. */
export interface ComponentView {
  readonly component: Component;
  readonly status: ConfigurationStatus;
  /** The layers of the configuration that it is to have. None where that configuration is not stored. */
  readonly desiredState: readonly DesiredLayerStatus[];
}
