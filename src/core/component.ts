import { invalid } from './errors.js';

export const LAYER_RESULTS = ['applied', 'failed', 'skipped', 'incomplete'] as const;
export type LayerResult = (typeof LAYER_RESULTS)[number];

/** What a session did of one layer. */
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

/** A node, and what is known of its configuration. */
export interface Component {
  readonly id: string;
  /** One for each (URL, playbook), the latest last. */
  readonly state: readonly StateLayer[];
  /** Name of a configuration, which need not exist. Empty: none; absent: it was never said. */
  readonly desiredConfig?: string;
  readonly errorCount?: number;
  /** -1: retried for ever. Absent: the option `default_batcher_retry_policy`. */
  readonly retryPolicy?: number;
  readonly enabled?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface ComponentPut extends Omit<Component, 'state'> {
  readonly state?: readonly LayerReport[];
  /** After everything else, one after the other. */
  readonly stateAppend?: readonly LayerReport[];
}

/** What is absent stays. */
export interface ComponentPatch extends Omit<ComponentPut, 'id'> {
  /** On top of what the error count then is. */
  readonly addErrors?: number;
}

/** A layer as a component must have it: source and default playbook filled in. What is missing can never be reached. */
export interface DesiredLayer {
  readonly cloneUrl?: string;
  readonly playbook?: string;
  readonly commit?: string;
}

export type LayerStatus = 'unconfigured' | 'pending' | 'failed' | 'configured';
/** `config_deprecated`: no desired configuration was ever said. */
export type ConfigurationStatus = LayerStatus | 'config_deprecated';

/** How far the layers are, whatever the error count. `open`: something is left to do. */
export type LayerProgress = 'unconfigured' | 'open' | 'configured';

export interface DesiredLayerStatus extends DesiredLayer {
  readonly status: LayerStatus;
}

/** `<commit>_<status>` in two; what was said explicitly counts more. */
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
