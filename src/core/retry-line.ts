import type { PinnedLayer } from './configuration.js';
import { hasSameInventory } from './retry.js';
import type { DoneWork, Session, Snapshot } from './session.js';

/** An opening line for the log of a retry: what is left out, and why not more. */
export function describeRetry(
  { request, done }: Pick<Session, 'request' | 'done'>,
  snapshot: Pick<Snapshot, 'layers' | 'leftOut' | 'additionalInventory'>,
): string | undefined {
  if (request.retryOf === undefined) return undefined;
  const { layers, leftOut } = snapshot;
  const change = describeChange(done, snapshot);
  const parts =
    leftOut === undefined
      ? [`everything runs again: ${change ?? 'nothing is known to be done that lasts'}`]
      : [
          ...describeLayers(layers.slice(0, leftOut.layers)),
          ...(leftOut.hosts ? [describeHosts(layers[leftOut.layers], done)] : []),
          ...(change === undefined ? [] : [`${change}, so it and those after it run on all hosts`]),
        ];
  return `Retry of ${request.retryOf}: ${parts.join('; ')}.`;
}

function describeLayers(layers: readonly PinnedLayer[]): readonly string[] {
  const indexes = layers.map(({ index }) => index);
  if (indexes.length === 0) return [];
  return [
    indexes.length === 1 ? `layer ${indexes[0]} is done` : `layers ${indexes.join(', ')} are done`,
  ];
}

function describeHosts(layer: PinnedLayer | undefined, done: DoneWork | undefined): string {
  const count = done?.partial?.hosts.length ?? 0;
  const hosts = count === 1 ? '1 host that has it' : `${count} hosts that have it`;
  return `layer ${layer?.index} runs without the ${hosts}`;
}

/** Why work that was done is done again; undefined if none is. */
function describeChange(
  done: DoneWork | undefined,
  snapshot: Pick<Snapshot, 'layers' | 'leftOut' | 'additionalInventory'>,
): string | undefined {
  const { layers: left, hosts } = snapshot.leftOut ?? { layers: 0, hosts: false };
  const known = [
    ...(done?.layers ?? []),
    ...(done?.partial === undefined ? [] : [done.partial.layer]),
  ];
  if (done === undefined || hosts || known.length <= left) return undefined;
  if (!hasSameInventory(done, snapshot)) return 'the additional inventory has changed';
  return `layer ${snapshot.layers[left]?.index} has changed`;
}
