import type { Layer } from './configuration.js';
import { invalid } from './errors.js';

export const LAYER_RESULTS = ['applied', 'failed', 'skipped', 'incomplete'] as const;
export type LayerResult = (typeof LAYER_RESULTS)[number];

/** What became of one layer on a component. */
export interface LayerReport {
  readonly cloneUrl: string;
  readonly playbook: string;
  readonly commit: string;
  readonly sessionName?: string;
  readonly status: LayerResult;
}

export interface StateLayer extends LayerReport {
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  readonly lastUpdated: string;
}

/** A node, and what is known about its configuration. */
export interface Component {
  readonly id: string;
  /** One for each (URL, playbook), the latest last. */
  readonly state: readonly StateLayer[];
  /** Name of a configuration, which need not exist. Empty means none; absent means that it was never set. */
  readonly desiredConfig?: string;
  readonly errorCount?: number;
  /** -1: retried for ever. If absent, the option `default_batcher_retry_policy` applies. */
  readonly retryPolicy?: number;
  readonly enabled?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface ComponentPut extends Omit<Component, 'state'> {
  readonly state?: readonly LayerReport[];
  /** Appended after all other changes, in this order. */
  readonly stateAppend?: readonly LayerReport[];
}

/** Absent members stay as they are. */
export interface ComponentPatch extends Omit<ComponentPut, 'id'> {
  /** Added to the error count after all other changes. */
  readonly addErrors?: number;
}

/**
 * A layer that a component is to have, with the URL of its source and the default playbook filled in. Without URL, playbook or
 * commit it cannot be reached.
 */
export type DesiredLayer = Layer;

export type LayerStatus = 'unconfigured' | 'pending' | 'failed' | 'configured';
/** `config_deprecated`: the desired configuration was never set. */
export type ConfigurationStatus = LayerStatus | 'config_deprecated';

/** How far the layers are, regardless of the error count. `open`: something is left to do. */
export type LayerProgress = 'unconfigured' | 'open' | 'configured';

export interface DesiredLayerStatus extends DesiredLayer {
  readonly status: LayerStatus;
}

/** Splits `<commit>_<status>`. An explicit `status` takes precedence over the suffix. */
export function splitCommit(
  text: string,
  status?: LayerResult,
): { readonly commit: string; readonly status: LayerResult } {
  const [commit = '', suffix, ...rest] = text.split('_');
  if (suffix === undefined) return { commit, status: status ?? 'applied' };
  if (rest.length > 0 || !isLayerResult(suffix)) {
    throw invalid(`commit: "${text}" must end in one of ${LAYER_RESULTS.join(', ')} after its "_"`);
  }
  return { commit, status: status ?? suffix };
}

function isLayerResult(text: string): text is LayerResult {
  return (LAYER_RESULTS as readonly string[]).includes(text);
}
