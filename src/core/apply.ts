import { toAskedPassthrough } from './check-mode.js';
import type { PinnedLayer } from './configuration.js';
import { addToName } from './names.js';
import { toDoneLayer } from './retry.js';
import type { SessionRequest, Snapshot } from './session.js';

const NOT_THERE = 'not there';

/** `a-apply` for a check named `a`. A fixed name, so that a check is applied once, however often that is requested. */
export function toApplyName(name: string): string {
  return addToName(name, '-apply');
}

/** The request that applies a check: the same request without check mode. */
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

/** What has changed since the check; each entry is part of a sentence. */
export function listMoves(checked: Snapshot, now: Snapshot): readonly string[] {
  if (checked.debugPlaybook !== now.debugPlaybook)
    return [`configuration ${now.configurationName} is a different one`];
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

/** An opening line for the log of a session that applies a check. */
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
