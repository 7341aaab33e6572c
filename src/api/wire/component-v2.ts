import { z } from '@hono/zod-openapi';
import { splitCommit, type Component } from '../../core/component.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ComponentView } from '../../store/store.js';
import {
  ComponentId,
  reportedCommit,
  toComponentViewWire,
  toComponentWire,
  type ComponentRequest,
} from './component.js';
import { COMPONENT, toV2, toV3 } from './v2-names.js';
import { boundedText, MAX_NAME_V2, readOnly, tags, text } from './values.js';

const commit = '1'.repeat(40);
const layer = { cloneUrl: 'https://git.example.com/site.git', playbook: 'site.yml', commit };

const StateLayerBodyV2 = z.strictObject({
  cloneUrl: text(),
  playbook: text(),
  commit: text().regex(
    /^[^_]*(?:_(?:applied|failed|skipped))?$/,
    'After a "_" must come one of applied, failed, skipped',
  ),
  sessionName: text(),
  lastUpdated: readOnly(),
});

const StateReportV2 = z.strictObject({
  cloneUrl: text(),
  playbook: text(),
  commit: reportedCommit,
  sessionName: text().optional(),
});

const members = {
  id: ComponentId.optional(),
  state: z.array(StateLayerBodyV2).optional(),
  stateAppend: StateReportV2.optional(),
  desiredConfig: boundedText(0, MAX_NAME_V2).optional(),
  errorCount: z.int().optional(),
  retryPolicy: z.int().optional(),
  enabled: z.boolean().optional(),
  tags: tags().optional(),
  desiredState: readOnly(),
  configurationStatus: readOnly(),
};

export const ComponentBodyV2 = z.strictObject(members).openapi('V2ComponentBody', {
  example: {
    ...{ desiredConfig: 'compute', enabled: true, tags: { rack: '1' } },
    state: [{ ...layer, sessionName: 'compute-1' }],
  },
});
export const ComponentListV2 = z.array(ComponentBodyV2).openapi('V2ComponentList', {
  example: [{ id: 'x1000c0s0b0n0', desiredConfig: 'compute', enabled: true }],
});

const LayerWireV2 = { cloneUrl: z.string(), playbook: z.string(), commit: z.string() };

export const ComponentWireV2 = z
  .object({
    id: z.string(),
    state: z.array(
      z.object({ ...LayerWireV2, sessionName: z.string().optional(), lastUpdated: z.string() }),
    ),
    desiredConfig: z.string().optional(),
    desiredState: z.array(z.object(LayerWireV2).partial()).optional(),
    errorCount: z.int().optional(),
    retryPolicy: z.int().optional(),
    enabled: z.boolean().optional(),
    configurationStatus: z.string().optional(),
    tags: tags().optional(),
  })
  .openapi('V2Component');

type ComponentAnswerV2 = z.output<typeof ComponentWireV2>;

export function fromComponentBodyV2(body: z.output<typeof ComponentBodyV2>): ComponentRequest {
  const { state, ...rest } = body;
  return omitUndefined({
    ...(toV3(COMPONENT, rest) as ComponentRequest),
    state: state?.map(fromStateLayerV2),
  });
}

export function toComponentWireV2(component: Component): ComponentAnswerV2 {
  return inWordsOfV2(toComponentWire(component));
}

export function toComponentViewWireV2(
  view: ComponentView,
  hasDesiredState: boolean,
): ComponentAnswerV2 {
  return inWordsOfV2(toComponentViewWire(view, { hasState: true, hasDesiredState }));
}

function inWordsOfV2(wire: ReturnType<typeof toComponentWire>): ComponentAnswerV2 {
  const state = wire.state?.map((known) => ({ ...known, commit: joinCommit(known) }));
  return toV2(COMPONENT, { ...wire, state }) as ComponentAnswerV2;
}

function joinCommit({ commit: known, status }: { commit: string; status: string }): string {
  return status === 'applied' ? known : `${known}_${status}`;
}

type StateLayerOfV3 = NonNullable<ComponentRequest['state']>[number];

function fromStateLayerV2(body: z.output<typeof StateLayerBodyV2>): StateLayerOfV3 {
  return {
    clone_url: body.cloneUrl,
    playbook: body.playbook,
    session_name: body.sessionName,
    ...splitCommit(body.commit),
  };
}
