import fc from 'fast-check';
import type { Body, Filters } from './component-world.js';
import type {
  ConfigurationBody,
  RecordWorld,
  SessionBody,
  SessionFilters,
  SourceBody,
} from './record-world.js';
import {
  weighted,
  optional,
  name,
  REPOSITORY,
  sourceName,
  configuration,
  tenant,
  pageAfter,
  credentials,
  described,
  sourceUrl,
  sessionName,
  session,
  patch,
  sessionFilters,
  componentId,
  component,
  componentFilters,
} from './record-values.js';

export type Version = 'v2' | 'v3';

export interface Paging {
  readonly limit?: number;
  readonly after_id?: string;
}

export type Step =
  | {
      readonly act: 'PUT configuration';
      readonly name: string;
      readonly body: ConfigurationBody;
      readonly tenant?: string;
      readonly drop_branches?: boolean;
    }
  | {
      readonly act: 'GET configuration' | 'PATCH configuration' | 'DELETE configuration';
      readonly name: string;
      readonly tenant?: string;
    }
  | {
      readonly act: 'LIST configurations';
      readonly in_use?: boolean;
      readonly tenant?: string;
      readonly page: Paging;
    }
  | { readonly act: 'POST source'; readonly name?: string; readonly body: SourceBody }
  | { readonly act: 'RESTORE source'; readonly name: string; readonly body: SourceBody }
  | { readonly act: 'PATCH source'; readonly name: string; readonly body: Partial<SourceBody> }
  | { readonly act: 'GET source'; readonly name: string }
  | { readonly act: 'DELETE source'; readonly name: string }
  | { readonly act: 'LIST sources'; readonly in_use?: boolean; readonly page: Paging }
  | { readonly act: 'POST session'; readonly body: SessionBody }
  | {
      readonly act: 'PATCH session';
      readonly name: string;
      readonly status: {
        readonly artifacts?: readonly Readonly<Record<string, string>>[];
        readonly session?: Readonly<Record<string, unknown>>;
      };
    }
  | { readonly act: 'GET session'; readonly name: string }
  | { readonly act: 'DELETE session'; readonly name: string }
  | { readonly act: 'DELETE sessions'; readonly filters: SessionFilters }
  | { readonly act: 'LIST sessions'; readonly filters: SessionFilters; readonly page: Paging }
  | { readonly act: 'PUT component' | 'PATCH component'; readonly id: string; readonly body: Body }
  | { readonly act: 'PATCH components'; readonly filters: Filters; readonly body: Body }
  | { readonly act: 'DELETE component'; readonly id: string }
  | { readonly act: 'LIST components'; readonly filters: Filters; readonly page: Paging }
  | {
      readonly act: 'OPTIONS';
      readonly body: Partial<RecordWorld['settings']>;
    };

const configurationStep = weighted<unknown>(
  [
    6,
    fc.record({
      act: fc.constant('PUT configuration'),
      name,
      body: configuration,
      tenant,
      drop_branches: optional(fc.boolean()),
    }),
  ],
  [
    3,
    fc.record({
      act: fc.constantFrom('GET configuration', 'PATCH configuration', 'DELETE configuration'),
      name,
      tenant,
    }),
  ],
  [
    2,
    fc.record({
      act: fc.constant('LIST configurations'),
      in_use: optional(fc.boolean()),
      tenant,
      page: pageAfter(name),
    }),
  ],
);
const sourceStep = weighted<unknown>(
  [
    4,
    fc.record({
      act: fc.constant('POST source'),
      name: optional(sourceName),
      body: fc.record({ clone_url: sourceUrl, credentials, ...described }),
    }),
  ],
  [
    1,
    fc.record({
      act: fc.constant('RESTORE source'),
      name: sourceName,
      body: fc.record({ clone_url: sourceUrl, ...described }),
    }),
  ],
  [
    3,
    fc.record({
      act: fc.constant('PATCH source'),
      name: sourceName,
      body: fc.record({
        clone_url: optional(sourceUrl),
        ...described,
        credentials: optional(credentials),
      }),
    }),
  ],
  [2, fc.record({ act: fc.constantFrom('GET source', 'DELETE source'), name: sourceName })],
  [
    1,
    fc.record({
      act: fc.constant('LIST sources'),
      in_use: optional(fc.boolean()),
      page: pageAfter(sourceName),
    }),
  ],
);
const sessionStep = weighted<unknown>(
  [5, fc.record({ act: fc.constant('POST session'), body: session })],
  [5, fc.record({ act: fc.constant('PATCH session'), name: sessionName, status: patch })],
  [
    2,
    fc.record({
      act: fc.constantFrom('GET session', 'DELETE session'),
      name: sessionName,
    }),
  ],
  [1, fc.record({ act: fc.constant('DELETE sessions'), filters: sessionFilters })],
  [
    4,
    fc.record({
      act: fc.constant('LIST sessions'),
      filters: sessionFilters,
      page: pageAfter(sessionName),
    }),
  ],
);
const componentStep = weighted<unknown>(
  [
    4,
    fc.record({
      act: fc.constantFrom('PUT component', 'PATCH component'),
      id: componentId,
      body: component,
    }),
  ],
  [
    2,
    fc.record({
      act: fc.constant('PATCH components'),
      filters: componentFilters,
      body: component,
    }),
  ],
  [1, fc.record({ act: fc.constant('DELETE component'), id: componentId })],
  [
    4,
    fc.record({
      act: fc.constant('LIST components'),
      filters: componentFilters,
      page: pageAfter(componentId),
    }),
  ],
);
const settings = fc.record({
  default_page_size: optional(fc.constantFrom(1, 2, 1000)),
  additional_inventory_source: optional(fc.constantFrom('a', '')),
  default_ansible_config: optional(fc.constantFrom('other', '')),
});
const optionStep = fc.record({ act: fc.constant('OPTIONS'), body: settings });
const step = weighted<unknown>(
  [4, configurationStep],
  [3, sourceStep],
  [4, sessionStep],
  [4, componentStep],
  [1, optionStep],
) as fc.Arbitrary<Step>;

const source = (name: string): Step => ({
  act: 'POST source',
  name,
  body: {
    clone_url: 'https://git.example.com/a.git',
    credentials: { username: 'u', password: 'p' },
  },
});
export const beginning: readonly Step[] = [
  ...['a', 'é', 'A'].map(source),
  {
    act: 'POST source',
    body: { clone_url: REPOSITORY, credentials: { username: 'u', password: 'p' } },
  },
  {
    act: 'PUT configuration',
    name: 'a',
    body: { layers: [{ source: 'a', playbook: 'site.yml', commit: '1'.repeat(40) }] },
  },
  {
    act: 'PUT configuration',
    name: 'é',
    body: {
      tenant_name: 'red',
      layers: [
        { clone_url: 'https://git.example.com/b.git', playbook: '', commit: '1'.repeat(40) },
      ],
    },
  },
  {
    act: 'PUT configuration',
    name: 'A',
    body: { layers: [{ source: REPOSITORY, playbook: 'site.yml', branch: 'main' }] },
  },
  ...['a', 'a-b', 'a.b', 'b'].map((each): Step => ({
    act: 'POST session',
    body: { name: each, configuration_name: 'a', tags: { a: 'a', A: each, é: '😀' } },
  })),
  ...['x1', 'X1', 'é', '😀', '\uffee'].map((id): Step => ({
    act: 'PUT component',
    id,
    body: { desired_config: 'a', tags: { a: 'a', A: id, é: '😀', '': '' } },
  })),
];

/** At the beginning there are some records of each kind, so that most steps find one. */
export const steps = fc.array(fc.tuple(fc.constantFrom<Version>('v2', 'v3', 'v3'), step), {
  minLength: 30,
  maxLength: 60,
  size: 'max',
});
