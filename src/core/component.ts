import type { Configuration, Layer } from './configuration.js';
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
    const cloneUrl = toUrl(layer, sourceUrls);
    const playbook =
      layer.playbook === undefined || layer.playbook === '' ? defaultPlaybook : layer.playbook;
    return {
      ...(isGiven(cloneUrl) ? { cloneUrl } : {}),
      ...(isGiven(playbook) ? { playbook } : {}),
      ...(isGiven(layer.commit) ? { commit: layer.commit } : {}),
    };
  });
}

function toUrl({ source, cloneUrl }: Layer, sourceUrls: ReadonlyMap<string, string>) {
  return source === undefined ? cloneUrl : sourceUrls.get(source);
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

/** `desired`: of the configuration, undefined where none is stored under that name. */
export function configurationStatus(
  component: Component,
  desired: readonly DesiredLayer[] | undefined,
  defaultRetryPolicy: number,
): ConfigurationStatus {
  return toStatus(component, layerProgress(component, desired), defaultRetryPolicy);
}

/** `configurationStatus` of a component whose layers are known to be so far. */
export function toStatus(
  component: Pick<Component, 'desiredConfig' | 'errorCount' | 'retryPolicy'>,
  progress: LayerProgress,
  defaultRetryPolicy: number,
): ConfigurationStatus {
  if (component.desiredConfig === undefined) return 'config_deprecated';
  if (progress !== 'open') return progress;
  return isGivenUp(component, defaultRetryPolicy) ? 'failed' : 'pending';
}

/** Without a configuration, whatever was once applied counts as all that was wanted. */
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

/** A policy of 0 never tries. */
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

/** What a PUT stores: nothing of what was there before. */
export function newComponent(put: ComponentPut, at: string): Component {
  const { state = [], stateAppend = [], ...rest } = put;
  const layers = state.map((layer) => stamp(layer, at));
  return { ...rest, ...startCount(put), state: appendReports(layers, stateAppend, at) };
}

export function patchComponent(component: Component, patch: ComponentPatch, at: string): Component {
  const { state, stateAppend = [], addErrors = 0, tags, ...rest } = patch;
  const patched: Component = {
    ...component,
    ...rest,
    ...startCount(patch),
    tags: dropEmpty({ ...component.tags, ...tags }),
    state: appendReports(
      state === undefined ? component.state : replaceState(component.state, state, at),
      stateAppend,
      at,
    ),
  };
  return addErrors === 0
    ? patched
    : { ...patched, errorCount: (patched.errorCount ?? 0) + addErrors };
}

/** Whoever wants another configuration, or the same from the start, counts errors from the start. */
function startCount({ desiredConfig, state, errorCount }: ComponentPatch) {
  const isAnew = desiredConfig !== undefined || state?.length === 0;
  return isAnew && errorCount === undefined ? { errorCount: 0 } : {};
}

function dropEmpty(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''));
}

/** What is not news keeps its time. */
function replaceState(
  before: readonly StateLayer[],
  state: readonly LayerReport[],
  at: string,
): readonly StateLayer[] {
  return state.map((layer) => before.find((old) => isSame(old, layer)) ?? stamp(layer, at));
}

function isSame(left: LayerReport, right: LayerReport): boolean {
  return (
    left.cloneUrl === right.cloneUrl &&
    left.playbook === right.playbook &&
    left.commit === right.commit &&
    left.sessionName === right.sessionName &&
    left.status === right.status
  );
}

/** Each in the place of those of the same repository and playbook, and last. */
function appendReports(
  state: readonly StateLayer[],
  reports: readonly LayerReport[],
  at: string,
): readonly StateLayer[] {
  return reports.reduce(
    (layers, report) => [
      ...layers.filter(
        ({ cloneUrl, playbook }) => cloneUrl !== report.cloneUrl || playbook !== report.playbook,
      ),
      stamp(report, at),
    ],
    state,
  );
}

function stamp(layer: LayerReport, at: string): StateLayer {
  return { ...layer, lastUpdated: `${at.slice(0, 19)}Z` };
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
