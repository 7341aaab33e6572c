import type { ComponentPatch, LayerReport, LayerResult } from './component.js';
import type { AnsiblePhase, HostResult } from './job.js';
import { planJob } from './plan.js';
import type { Session } from './session.js';

export type ReportedLayer = Omit<LayerReport, 'status'>;

/** The layer that the results of a phase are about; undefined if they do not count as state of components. */
export function findReportedLayer(session: Session, phase: string): ReportedLayer | undefined {
  const { snapshot } = session;
  if (snapshot === undefined) return undefined;
  const found = planJob(session, snapshot).phases.find(
    (planned): planned is AnsiblePhase => planned.kind === 'ansible' && planned.name === phase,
  );
  const layer = snapshot.layers.find(({ index }) => String(index) === found?.layer);
  if (found?.recordsState !== true || layer === undefined) return undefined;
  return {
    cloneUrl: layer.repository.url,
    playbook: found.playbook,
    commit: layer.repository.commit,
    sessionName: session.name,
  };
}

/** What the result of a completed playbook changes on a component. */
export function toComponentPatch(result: HostResult, layer: ReportedLayer): ComponentPatch {
  const status = toLayerResult(result);
  return { stateAppend: [{ ...layer, status }], ...errors[status] };
}

function toLayerResult({ failed, unreachable, incomplete }: HostResult) {
  if (failed > 0 || unreachable > 0) return 'failed';
  return incomplete ? 'incomplete' : 'applied';
}

const errors: Readonly<Record<Exclude<LayerResult, 'skipped'>, ComponentPatch>> = {
  applied: { errorCount: 0 },
  failed: { addErrors: 1 },
  incomplete: {},
};
