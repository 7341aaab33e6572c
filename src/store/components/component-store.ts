import type {
  Component,
  ComponentPatch,
  ComponentPut,
  ConfigurationStatus,
  DesiredLayerStatus,
} from '../../core/component.js';
import type { Page, PageRequest } from '../database/page.js';

/**
 * Every write changes all that it names, or nothing; `at` is an ISO time. `toResult` is called for one component at a time,
 * so that a caller need not hold them all.
 */
export interface ComponentStore {
  find(id: string): Promise<ComponentView | undefined>;
  list(filter: ComponentFilter, page: PageRequest): Promise<Page<ComponentView>>;
  /** Creates or replaces components, in this order. If an id comes twice, the last one is stored. */
  put<T>(
    components: readonly ComponentPut[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Patches components in this order; ids may repeat. Throws fault `missing`, and changes nothing, if one does not exist. */
  patch<T>(
    patches: readonly (ComponentPatch & Pick<Component, 'id'>)[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Patches all that match. The results are in order of ids and include components that the patch leaves as they are. */
  patchMatching<T>(
    filter: ComponentFilter,
    patch: ComponentPatch,
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** Like `patchMatching`, but returns only ids, which is much cheaper if the patch only sets columns. */
  patchAll(filter: ComponentFilter, patch: ComponentPatch, at: string): Promise<readonly string[]>;
  /**
   * Patches each existing component with what `decide` returns; undefined leaves it as it is. A component cannot change while
   * `decide` looks at it. Returns the ids of those that changed.
   */
  change(
    ids: readonly string[],
    decide: (view: ComponentView) => ComponentPatch | undefined,
    at: string,
  ): Promise<readonly string[]>;
  /** Throws fault `missing` if it does not exist. */
  remove(id: string): Promise<void>;
  /** Creates the components that do not exist, enabled, without state and configuration. Returns how many. */
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
  /** The layers of its desired configuration; none if that is not stored. */
  readonly desiredState: readonly DesiredLayerStatus[];
}
