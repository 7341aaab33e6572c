import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHsmClient, type HsmOptions } from '../../src/clients/hsm.js';
import {
  startHsmStandIn,
  type HsmSource,
  type HsmStandIn,
  type Misbehaviour,
} from '../support/hsm-stand-in.js';
import { waitFor } from '../support/wait.js';

const SOURCES: readonly HsmSource[] = ['groups', 'partitions', 'components'];
const never = new AbortController().signal;
const tlsFile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

function fetchFrom(hsm: HsmStandIn, options: Partial<HsmOptions> = {}, signal = never) {
  const client = createHsmClient({ url: hsm.url, timeoutSeconds: 10, ...options });
  return client.fetchHardwareState(signal);
}

describe('createHsmClient, against a stand-in for HSM', () => {
  let hsm: HsmStandIn;
  let directory: string;

  beforeEach(async () => {
    hsm = await startHsmStandIn();
    directory = await mkdtemp(join(tmpdir(), 'keelson-hsm-'));
  });
  afterEach(async () => {
    await hsm.close();
    await rm(directory, { recursive: true });
  });

  test('reads groups, partitions and nodes', async () => {
    hsm.content.groups = [
      {
        label: 'blue',
        description: 'blue rack',
        tags: ['t1'],
        exclusiveGroup: 'colors',
        members: { ids: ['x1000c0s0b0n0', 'x1000c0s0b0'] },
      },
      { label: 'blue-nodes', description: '', members: { ids: [] } },
    ];
    hsm.content.partitions = [{ name: 'p1.2', members: { ids: ['x1000c0s0b0n0'] } }];
    hsm.content.components = {
      Components: [
        {
          ID: 'x1000c0s0b0n0',
          Type: 'Node',
          State: 'Off',
          Enabled: false,
          Role: 'Compute',
          NID: 1,
        },
        { ID: 'x3000c0s19b0n0', Role: 'Application', SubRole: 'UAN', Locked: true },
        { ID: 'x3000c0s2b0n0', SubRole: 'Worker' },
        { ID: 'x3000c0s3b0n0' },
      ],
    };

    expect(await fetchFrom(hsm)).toEqual({
      groups: [
        { label: 'blue', members: ['x1000c0s0b0n0', 'x1000c0s0b0'] },
        { label: 'blue-nodes', members: [] },
      ],
      partitions: [{ name: 'p1.2', members: ['x1000c0s0b0n0'] }],
      components: [
        { id: 'x1000c0s0b0n0', role: 'Compute' },
        { id: 'x3000c0s19b0n0', role: 'Application', subRole: 'UAN' },
        { id: 'x3000c0s2b0n0', subRole: 'Worker' },
        { id: 'x3000c0s3b0n0' },
      ],
    });
    expect(hsm.requests.map(({ url }) => url).sort()).toEqual([
      '/hsm/v2/State/Components?type=node',
      '/hsm/v2/groups',
      '/hsm/v2/partitions',
    ]);
    expect(hsm.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test('reads the nodes alone, whatever has become of groups and partitions', async () => {
    hsm.content.groups = [{ label: 'a' }];
    hsm.misbehave.partitions = { kind: 'status', status: 500 };
    hsm.content.components = { Components: [{ ID: 'x1000c0s0b0n0', Role: 'Compute' }] };

    const nodes = await createHsmClient({ url: hsm.url, timeoutSeconds: 10 }).fetchNodes(never);

    expect(nodes).toEqual([{ id: 'x1000c0s0b0n0', role: 'Compute' }]);
    expect(hsm.requests.map(({ url }) => url)).toEqual([
      '/hsm/v2/State/Components?type=node&type=virtualnode',
    ]);
  });

  test('reads the nodes of an HSM that knows no virtual nodes', async () => {
    hsm.misbehave.components = { kind: 'status', status: 400, times: 1 };
    hsm.content.components = { Components: [{ ID: 'x1000c0s0b0n0' }] };

    const nodes = await createHsmClient({ url: hsm.url, timeoutSeconds: 10 }).fetchNodes(never);

    expect(nodes).toEqual([{ id: 'x1000c0s0b0n0' }]);
    expect(hsm.requests.at(-1)?.url).toBe('/hsm/v2/State/Components?type=node');
  });

  test.each([
    [{ kind: 'status', status: 500, times: 1 }, 'unavailable', 1],
    [{ kind: 'status', status: 401 }, 'rejected', 2],
  ] as const)('does not hide %j behind the nodes', async (misbehaviour, fault, requests) => {
    hsm.misbehave.components = misbehaviour;

    const nodes = createHsmClient({ url: hsm.url, timeoutSeconds: 10 }).fetchNodes(never);

    await expect(nodes).rejects.toMatchObject({ fault, reason: 'INVENTORY' });
    expect(hsm.requests).toHaveLength(requests);
  });

  test('leaves out nodes without an id', async () => {
    hsm.content.components = { Components: [{ ID: '', Role: 'Compute' }, { ID: 'x1' }] };

    const client = createHsmClient({ url: hsm.url, timeoutSeconds: 10 });

    expect(await client.fetchNodes(never)).toEqual([{ id: 'x1' }]);
    expect((await client.fetchHardwareState(never)).components).toEqual([{ id: 'x1' }]);
  });

  test('reads an empty HSM', async () => {
    expect(await fetchFrom(hsm)).toEqual({ groups: [], partitions: [], components: [] });
  });

  test('reads 10,000 nodes', async () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => `x1000c0s0b0n${index}`);
    hsm.content.groups = [{ label: 'many', members: { ids } }];
    hsm.content.components = { Components: ids.map((ID) => ({ ID, Role: 'Compute' })) };

    const state = await fetchFrom(hsm);

    expect(state.components).toHaveLength(10_000);
    expect(state.groups[0]?.members).toHaveLength(10_000);
  });

  test('sends the token as the file has it at the time of the call', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'first\n');
    await fetchFrom(hsm, { tokenFile });
    writeFileSync(tokenFile, 'second\n');
    await fetchFrom(hsm, { tokenFile });

    const sent = hsm.requests.map(({ authorization }) => authorization);
    expect(new Set(sent.slice(0, 3))).toEqual(new Set(['Bearer first']));
    expect(new Set(sent.slice(3))).toEqual(new Set(['Bearer second']));
  });

  test('names a token file that cannot be read', async () => {
    await expect(fetchFrom(hsm, { tokenFile: join(directory, 'none') })).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'INVENTORY',
      message: expect.stringMatching(/^HSM_TOKEN_FILE: .*none cannot be read \(ENOENT\)\.$/),
    });
  });

  test('keeps a token that cannot be sent out of the error', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'secret\nsecret');

    const error = await fetchFrom(hsm, { tokenFile }).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ fault: 'rejected', reason: 'INVENTORY' });
    expect(
      JSON.stringify([(error as Error).message, String((error as Error).cause)]),
    ).not.toContain('secret');
  });

  describe.each(SOURCES)('when %s alone fails', (source) => {
    test.each<[string, Misbehaviour, string, RegExp]>([
      [
        '500',
        { kind: 'status', status: 500 },
        'unavailable',
        /answered with status 500( \(.*\))?\.$/,
      ],
      [
        '503',
        { kind: 'status', status: 503 },
        'unavailable',
        /answered with status 503( \(.*\))?\.$/,
      ],
      [
        '429',
        { kind: 'status', status: 429 },
        'unavailable',
        /answered with status 429( \(.*\))?\.$/,
      ],
      ['401', { kind: 'status', status: 401 }, 'rejected', /answered with status 401( \(.*\))?\.$/],
      ['404', { kind: 'status', status: 404 }, 'rejected', /answered with status 404( \(.*\))?\.$/],
      ['204', { kind: 'status', status: 204 }, 'rejected', /answered with status 204( \(.*\))?\.$/],
      [
        'a redirect',
        { kind: 'redirect', to: '/' },
        'rejected',
        /answered with status 302( \(.*\))?\.$/,
      ],
      ['text', { kind: 'body', body: '<html>' }, 'rejected', /is not JSON\.$/],
      ['nothing', { kind: 'body', body: '' }, 'rejected', /is not JSON\.$/],
      [
        'bytes that are no text',
        { kind: 'body', body: Buffer.from('["\xff"]', 'latin1') },
        'rejected',
        /is not JSON\.$/,
      ],
      ['null', { kind: 'body', body: 'null' }, 'rejected', /is null, not an (array|object)\.$/],
      ['a reset', { kind: 'reset' }, 'unavailable', /could not be reached \(ECONNRESET\)\.$/],
      ['half an answer', { kind: 'cut' }, 'unavailable', /could not be reached \(ECONNRESET\)\.$/],
    ])('with %s, the inventory fails', async (_title, misbehaviour, fault, message) => {
      hsm.misbehave[source] = misbehaviour;

      await expect(fetchFrom(hsm)).rejects.toMatchObject({
        name: 'ServiceError',
        fault,
        reason: 'INVENTORY',
        message: expect.stringMatching(message),
      });
    });

    test('for a time, the next call succeeds', async () => {
      hsm.misbehave[source] = { kind: 'status', status: 500, times: 2 };

      await expect(fetchFrom(hsm)).rejects.toMatchObject({ fault: 'unavailable' });
      await expect(fetchFrom(hsm)).rejects.toMatchObject({ fault: 'unavailable' });
      await expect(fetchFrom(hsm)).resolves.toMatchObject({ groups: [] });
    });
  });

  test.each<[HsmSource, unknown, string]>([
    ['groups', {}, 'groups is an object, not an array'],
    ['groups', [7], 'groups[0] is a number, not an object'],
    ['groups', [{ members: { ids: [] } }], 'groups[0].label is missing'],
    ['groups', [{ label: '', members: { ids: [] } }], 'groups[0].label is empty'],
    ['groups', [{ label: 7, members: { ids: [] } }], 'groups[0].label is a number, not a string'],
    ['groups', [{ label: 'a' }], 'groups[0].members is missing, not an object'],
    ['groups', [{ label: 'a', members: [] }], 'groups[0].members is an array, not an object'],
    ['groups', [{ label: 'a', members: {} }], 'groups[0].members.ids is missing, not an array'],
    [
      'groups',
      [
        { label: 'a', members: { ids: [] } },
        { label: 'b', members: { ids: ['x1', null] } },
      ],
      'groups[1].members.ids[1] is null, not a string',
    ],
    ['groups', [{ label: 'a', members: { ids: [''] } }], 'groups[0].members.ids[0] is empty'],
    ['partitions', [{ label: 'p1', members: { ids: [] } }], 'partitions[0].name is missing'],
    ['partitions', [{ name: 'p1' }], 'partitions[0].members is missing, not an object'],
    ['components', [], 'State/Components is an array, not an object'],
    ['components', {}, 'Components is missing, not an array'],
    ['components', { Components: [{ Role: 'Compute' }] }, 'Components[0].ID is missing'],
    [
      'components',
      { Components: [{ ID: 'x1', Role: null }] },
      'Components[0].Role is null, not a string',
    ],
    [
      'components',
      { Components: [{ ID: 'x1' }, { ID: 'x2', SubRole: 1 }] },
      'Components[1].SubRole is a number, not a string',
    ],
  ])('refuses %s of the wrong shape: %j', async (source, content, fact) => {
    hsm.content[source] = content;

    await expect(fetchFrom(hsm)).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'INVENTORY',
      message: `The hardware state manager at ${hsm.url} gave an unusable answer: ${fact}.`,
    });
  });

  test('does not wait longer than its limit', async () => {
    for (const source of SOURCES) hsm.misbehave[source] = { kind: 'silent' };

    await expect(fetchFrom(hsm, { timeoutSeconds: 0.1 })).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'INVENTORY',
      message: expect.stringMatching(
        /^The hardware state manager at http:\S+ did not answer within 0\.1 s\.$/,
      ),
    });
  });

  test('breaks off the other reads when one fails', async () => {
    hsm.misbehave.groups = { kind: 'status', status: 404 };
    hsm.misbehave.components = { kind: 'silent' };

    await expect(fetchFrom(hsm)).rejects.toMatchObject({ fault: 'rejected' });

    await waitFor(() => hsm.aborted() === 1, { what: 'the silent read to be broken off' });
  });

  test('ends with the reason of an abort', async () => {
    hsm.misbehave.groups = { kind: 'silent' };
    const abort = new AbortController();
    const state = fetchFrom(hsm, {}, abort.signal);
    await waitFor(() => hsm.requests.length === 3, { what: 'the reads' });

    abort.abort(new Error('cancelled'));

    await expect(state).rejects.toThrow('cancelled');
  });

  test('says that nobody listens', async () => {
    const { url } = hsm;
    await hsm.close();

    await expect(
      createHsmClient({ url, timeoutSeconds: 10 }).fetchHardwareState(never),
    ).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'INVENTORY',
      message: expect.stringContaining('could not be reached (ECONNREFUSED)'),
    });
  });
});

describe('createHsmClient, against a stand-in for HSM over TLS', () => {
  let hsm: HsmStandIn;

  beforeEach(async () => {
    const read = (name: string) => readFileSync(tlsFile(name), 'utf8');
    hsm = await startHsmStandIn({
      tls: { key: read('loopback.key'), cert: read('loopback.crt') },
    });
  });
  afterEach(() => hsm.close());

  test('trusts the given authority', async () => {
    await expect(fetchFrom(hsm, { caFile: tlsFile('loopback.crt') })).resolves.toMatchObject({
      groups: [],
    });
  });

  test.each([
    ['the platform alone', {}],
    ['another authority', { caFile: tlsFile('other.crt') }],
  ])('refuses a certificate unknown to %s', async (_title, options) => {
    await expect(fetchFrom(hsm, options)).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'INVENTORY',
      message: expect.stringContaining('cannot be trusted over TLS'),
    });
  });
});
