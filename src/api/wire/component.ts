import { z } from '@hono/zod-openapi';
import {
  LAYER_RESULTS,
  splitCommit,
  type Component,
  type ComponentPatch,
  type DesiredLayerStatus,
  type LayerReport,
  type StateLayer,
} from '../../core/component.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ComponentView } from '../../store/store.js';
import { LayerWire, toLayerWire } from './configuration.js';
import { boundedText, MAX_NAME_V2, readOnly, tags, text } from './values.js';

const STATUSES = ['unconfigured', 'pending', 'failed', 'configured'] as const;
const commit = '1'.repeat(40);
const layer = { clone_url: 'https://git.example.com/site.git', playbook: 'site.yml', commit };

/** `.` and `..` are steps in a path, so a component with such an id could be neither read nor deleted. */
export const ComponentId = boundedText(1, MAX_NAME_V2).refine(
  (id) => !/^\.\.?$/.test(id),
  'Must not be "." or ".."',
);

const status = z.enum(['applied', 'failed', 'skipped']);
/** The commit may end with the status. */
export const reportedCommit = text().regex(
  new RegExp(`^[^_]*(?:_(?:${LAYER_RESULTS.join('|')}))?$`),
  `After a "_" must come one of ${LAYER_RESULTS.join(', ')}`,
);

const StateLayerBody = z.strictObject({
  clone_url: text(),
  playbook: text(),
  commit: text(),
  session_name: text(),
  status,
  last_updated: readOnly(),
});

const StateReport = z.strictObject({
  clone_url: text(),
  playbook: text(),
  commit: reportedCommit,
  session_name: text().optional(),
  status: status.optional(),
});

const members = {
  id: ComponentId.optional(),
  state: z.array(StateLayerBody).optional(),
  state_append: StateReport.optional(),
  desired_config: boundedText(0, 60).optional(),
  error_count: z.int().optional(),
  retry_policy: z.int().optional(),
  enabled: z.boolean().optional(),
  tags: tags().optional(),
  desired_state: readOnly(),
  configuration_status: readOnly(),
  logs: readOnly(),
};

export const ComponentBody = z.strictObject(members).openapi('V3ComponentBody', {
  example: {
    ...{ desired_config: 'compute', enabled: true, tags: { rack: '1' } },
    state: [{ ...layer, session_name: 'compute-1', status: 'applied' }],
  },
});
export const ComponentList = z.array(ComponentBody).openapi('V3ComponentList', {
  example: [{ id: 'x1000c0s0b0n0', desired_config: 'compute', enabled: true }],
});

const StateLayerWire = z.object({
  ...{ clone_url: z.string(), playbook: z.string(), commit: z.string() },
  session_name: z.string().optional(),
  status: z.enum(LAYER_RESULTS),
  last_updated: z.string(),
});

const DesiredLayerWire = LayerWire.extend({ status: z.enum(STATUSES) }).openapi('V3DesiredLayer');

export const ComponentWire = z
  .object({
    id: z.string(),
    state: z.array(StateLayerWire).optional(),
    desired_config: z.string().optional(),
    desired_state: z.array(DesiredLayerWire).optional(),
    error_count: z.int().optional(),
    retry_policy: z.int().optional(),
    enabled: z.boolean().optional(),
    configuration_status: z.enum([...STATUSES, 'config_deprecated']).optional(),
    tags: tags().optional(),
  })
  .openapi('V3Component');

export const ComponentIds = z
  .object({ component_ids: z.array(z.string()) })
  .openapi('ComponentIds', { example: { component_ids: ['x1000c0s0b0n0'] } });

/** A stored layer has what no request may give: `incomplete`, or no session. */
export const StoredLayer = StateLayerBody.extend({
  session_name: StateLayerBody.shape.session_name.optional(),
  status: z.enum(LAYER_RESULTS),
});

export type ComponentRequest = Omit<z.output<typeof ComponentBody>, 'state'> & {
  readonly state?: readonly z.output<typeof StoredLayer>[] | undefined;
};
type ComponentAnswer = z.output<typeof ComponentWire>;

export function fromComponentBody(body: ComponentRequest): ComponentPatch {
  const { state, state_append: report } = body;
  return omitUndefined({
    state: state?.map(fromStateLayer),
    stateAppend: report && [fromReport(report)],
    desiredConfig: body.desired_config,
    errorCount: body.error_count,
    retryPolicy: body.retry_policy,
    enabled: body.enabled,
    tags: body.tags,
  });
}

export function toComponentWire(component: Component): ComponentAnswer {
  return omitUndefined({
    id: component.id,
    state: component.state.map(toStateLayerWire),
    desired_config: component.desiredConfig,
    error_count: component.errorCount,
    retry_policy: component.retryPolicy,
    enabled: component.enabled,
    tags: component.tags,
  });
}

export interface Details {
  readonly hasState: boolean;
  readonly hasDesiredState: boolean;
}

export function toComponentViewWire(view: ComponentView, details: Details): ComponentAnswer {
  const { state = [], ...rest } = toComponentWire(view.component);
  return {
    ...rest,
    ...(details.hasState ? { state } : {}),
    ...(details.hasDesiredState ? { desired_state: view.desiredState.map(toDesiredWire) } : {}),
    configuration_status: view.status,
  };
}

function fromStateLayer(body: z.output<typeof StoredLayer>): LayerReport {
  return omitUndefined({
    cloneUrl: body.clone_url,
    playbook: body.playbook,
    commit: body.commit,
    sessionName: body.session_name,
    status: body.status,
  });
}

function fromReport(body: z.output<typeof StateReport>): LayerReport {
  return omitUndefined({
    cloneUrl: body.clone_url,
    playbook: body.playbook,
    ...splitCommit(body.commit, body.status),
    sessionName: body.session_name,
  });
}

function toStateLayerWire(known: StateLayer): z.output<typeof StateLayerWire> {
  return omitUndefined({
    clone_url: known.cloneUrl,
    playbook: known.playbook,
    commit: known.commit,
    session_name: known.sessionName,
    status: known.status,
    last_updated: known.lastUpdated,
  });
}

function toDesiredWire(desired: DesiredLayerStatus): z.output<typeof DesiredLayerWire> {
  return { ...toLayerWire(desired), status: desired.status };
}
