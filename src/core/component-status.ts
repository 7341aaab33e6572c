import type {
  Component,
  ConfigurationStatus,
  DesiredLayer,
  DesiredLayerStatus,
  LayerProgress,
  LayerStatus,
  StateLayer,
} from './component.js';
import type { Configuration, Layer } from './configuration.js';
import { omitUndefined } from './omit-undefined.js';

export interface DesiredContext {
  readonly defaultPlaybook: string;
  /** URLs of sources by name. */
  readonly sourceUrls: ReadonlyMap<string, string>;
}

export function toDesiredLayers(
  { layers }: Pick<Configuration, 'layers'>,
  { defaultPlaybook, sourceUrls }: DesiredContext,
): readonly DesiredLayer[] {
  return layers.map((layer) => {
    const [cloneUrl, commit] = [toUrl(layer, sourceUrls), layer.commit];
    const playbook = isGiven(layer.playbook) ? layer.playbook : defaultPlaybook;
    return omitUndefined({
      ...layer,
      cloneUrl: isGiven(cloneUrl) ? cloneUrl : undefined,
      playbook: isGiven(playbook) ? playbook : undefined,
      commit: isGiven(commit) ? commit : undefined,
    });
  });
}

/** An empty source counts as absent. */
function toUrl({ source = '', cloneUrl }: Layer, sourceUrls: ReadonlyMap<string, string>) {
  return source === '' ? cloneUrl : sourceUrls.get(source);
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

export function toStatus(
  component: Pick<Component, 'desiredConfig' | 'errorCount' | 'retryPolicy'>,
  progress: LayerProgress,
  defaultRetryPolicy: number,
): ConfigurationStatus {
  if (component.desiredConfig === undefined) return 'config_deprecated';
  if (progress !== 'open') return progress;
  return isGivenUp(component, defaultRetryPolicy) ? 'failed' : 'pending';
}

/**
 * `desired` are the layers of the component's configuration. Undefined if no configuration is stored under that name: then
 * anything that was ever applied counts as configured.
 */
export function layerProgress(
  { state }: Pick<Component, 'state'>,
  desired: readonly DesiredLayer[] | undefined,
): LayerProgress {
  if (desired === undefined) return state.length === 0 ? 'unconfigured' : 'configured';
  if (desired.some((layer) => !isReachable(layer))) return 'unconfigured';
  return desired.every((layer) => isDone(findReport(state, layer))) ? 'configured' : 'open';
}

export function desiredState(
  component: Component,
  desired: readonly DesiredLayer[],
  defaultRetryPolicy: number,
): readonly DesiredLayerStatus[] {
  const givenUp = isGivenUp(component, defaultRetryPolicy);
  return desired.map((layer) => ({ ...layer, status: layerStatus(component, layer, givenUp) }));
}

function layerStatus({ state }: Component, layer: DesiredLayer, givenUp: boolean): LayerStatus {
  if (!isReachable(layer)) return 'unconfigured';
  const report = findReport(state, layer);
  if (isDone(report)) return 'configured';
  return report?.status === 'failed' && givenUp ? 'failed' : 'pending';
}

/** With a retry policy of 0 a component is given up from the start; -1 never gives up. */
function isGivenUp(
  { retryPolicy, errorCount = 0 }: Pick<Component, 'retryPolicy' | 'errorCount'>,
  defaultRetryPolicy: number,
): boolean {
  const retries = retryPolicy ?? defaultRetryPolicy;
  return retries !== -1 && errorCount >= retries;
}

function isReachable({ cloneUrl, playbook, commit }: DesiredLayer): boolean {
  return cloneUrl !== undefined && playbook !== undefined && commit !== undefined;
}

function findReport(state: readonly StateLayer[], layer: DesiredLayer): StateLayer | undefined {
  return state.find(
    ({ cloneUrl, playbook, commit }) =>
      cloneUrl === layer.cloneUrl && playbook === layer.playbook && commit === layer.commit,
  );
}

function isDone(report: StateLayer | undefined): boolean {
  return report?.status === 'applied' || report?.status === 'skipped';
}
