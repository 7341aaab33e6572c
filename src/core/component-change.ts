import type {
  Component,
  ComponentPatch,
  ComponentPut,
  LayerReport,
  StateLayer,
} from './component.js';

/** The component that a PUT stores. It keeps nothing of the one before. */
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

/** Errors are counted anew if the change sets a configuration, or empties the state so that everything is applied again. */
function startCount({ desiredConfig, state, errorCount }: ComponentPatch) {
  const isAnew = desiredConfig !== undefined || state?.length === 0;
  return isAnew && errorCount === undefined ? { errorCount: 0 } : {};
}

function dropEmpty(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''));
}

/** A layer that has not changed keeps its time. */
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

/** Each report replaces the layers with the same repository and playbook, and goes to the end. */
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
