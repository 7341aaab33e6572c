import { toAskedPassthrough } from './check-mode.js';
import type { PinnedLayer } from './configuration.js';
import { addToName } from './names.js';
import { toDoneLayer } from './retry.js';
import type { SessionRequest, Snapshot } from './session.js';

const NOT_THERE = 'not there';

/** `a-apply`: what a session has checked is applied once under this name, however often it is asked for. */
export function toApplyName(name: string): string {
  return addToName(name, '-apply');
}

/** The request of a check, without the check. */
export function toApplied(request: SessionRequest, name: string): SessionRequest {
  const applied: { -readonly [Member in keyof SessionRequest]: SessionRequest[Member] } = {
    ...request,
    name,
    applyOf: request.name,
    ansiblePassthrough: toAskedPassthrough(request),
  };
  delete applied.checkMode;
  delete applied.retryOf;
  return applied;
}

/** Of what was checked, what is something else now: each a part of a sentence. */
export function listMoves(checked: Snapshot, now: Snapshot): readonly string[] {
  if (checked.debugPlaybook !== now.debugPlaybook)
    return [`configuration ${now.configurationName} is another one`];
  const positions = Math.max(checked.layers.length, now.layers.length);
  const layers = Array.from({ length: positions }, (_, position) => {
    const [before, after] = [checked.layers[position], now.layers[position]];
    const texts = [describeLayer(before, checked), describeLayer(after, now)] as const;
    return describeMove(nameLayer(before ?? after), ...texts);
  });
  const inventories = [describeInventory(checked), describeInventory(now)] as const;
  const moves = [...layers, describeMove('the additional inventory', ...inventories)];
  return moves.filter((move) => move !== undefined);
}

/** The line at the beginning of the log of a session that applies what another one has checked. */
export function describeApply({ applyOf }: Pick<SessionRequest, 'applyOf'>): string | undefined {
  if (applyOf === undefined) return undefined;
  return `Applies what session ${applyOf} has checked, at the same commits.`;
}

function describeMove(what: string, before: string, now: string): string | undefined {
  return before === now ? undefined : `${what} was ${before} and is ${now}`;
}

function nameLayer(layer: PinnedLayer | undefined): string {
  const { index = '', name } = layer ?? {};
  return name === undefined ? `layer ${index}` : `layer ${index} (${name})`;
}

function describeLayer(layer: PinnedLayer | undefined, snapshot: Snapshot): string {
  if (layer === undefined) return NOT_THERE;
  const { url, commit, playbook } = toDoneLayer(layer, snapshot);
  return `${playbook} of ${url} at ${commit}`;
}

function describeInventory({ additionalInventory }: Snapshot): string {
  if (additionalInventory === undefined) return NOT_THERE;
  const { url, commit } = additionalInventory;
  return `${url} at ${commit}`;
}
