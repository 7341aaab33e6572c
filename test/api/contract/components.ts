import { describe, expect, test } from '@jest/globals';
import type { ContractSite } from './site.js';

const AT = '2026-01-02T03:04:05Z';
const commit = '1'.repeat(40);
const layer = { clone_url: 'https://git.example.com/a.git', playbook: 'site.yml', commit };
const named = { ...layer, name: 'site', special_parameters: { ims_require_dkms: true } };
const applied = { ...layer, session_name: 's', status: 'applied' };
const layerV2 = { cloneUrl: layer.clone_url, playbook: 'site.yml', commit };

/** Needs a site of its own, because it counts all records. */
export function componentContract(site: () => ContractSite): void {
  const ask: ContractSite['ask'] = (...asked) => site().ask(...asked);
  const put = (id: string, body: object) => ask('PUT', `/v3/components/${id}`, body);
  /** Replaces all components by those of the tests. */
  const begin = async () => {
    site().setTime('2026-01-02T03:04:05.678Z');
    const { store } = site();
    for (const { component } of (await store.components.list({}, { limit: 1_000 })).items) {
      await store.components.remove(component.id);
    }
    await ask('PUT', '/v3/configurations/compute', { layers: [named] });
    await put('x1', { desired_config: 'compute', enabled: true, tags: { a: '1', b: '2' } });
    await put('x2', { desired_config: 'compute', enabled: false, state: [applied] });
    await put('x3', { desired_config: 'compute', error_count: 3, tags: { a: '1' } });
    await put('x4', { desired_config: 'gone', state: [] });
    await put('x5', { enabled: true });
  };
  const list = async (query: string) => {
    const { status, body } = await ask('GET', `/v3/components?${query}`);
    const { components, next } = body as { components: { id: string }[]; next: unknown };
    return { status, ids: components.map(({ id }) => id).join(' '), next };
  };

  describe('GET /v3/components', () => {
    test('by every filter, in order of ids', async () => {
      await begin();
      const rows = [
        ['', 'x1 x2 x3 x4 x5'],
        ['ids=x4,x1,x9', 'x1 x4'],
        ['ids=x4&ids=x1', 'x1'],
        ['ids=&status=&config_name=&tags=', 'x1 x2 x3 x4 x5'],
        ['status=pending', 'x1'],
        ['status=configured', 'x2'],
        ['status=failed', 'x3'],
        ['status=unconfigured', 'x4'],
        ['enabled=TRUE', 'x1 x5'],
        ['enabled=false', 'x2'],
        ['config_name=compute', 'x1 x2 x3'],
        ['tags=a=1', 'x1 x3'],
        ['tags=a=1,b=2', 'x1'],
        ['configName=gone', 'x1 x2 x3 x4 x5'],
        ['after_id=x2', 'x3 x4 x5'],
      ] as const;
      for (const [query, ids] of rows) {
        expect([query, await list(query)]).toEqual([query, { status: 200, ids, next: null }]);
      }
    });

    test('pages by the members of next, which echo every parameter', async () => {
      await begin();
      const first = await list('limit=2&config_name=compute&state_details=true');
      expect(first).toMatchObject({ ids: 'x1 x2' });
      expect(first.next).toEqual({
        ids: '',
        status: '',
        enabled: null,
        config_name: 'compute',
        state_details: true,
        config_details: false,
        tags: '',
        limit: 2,
        after_id: 'x2',
      });
      const given = Object.entries(first.next as object).filter(([, value]) => value !== null);
      const query = new URLSearchParams(
        given.map(([key, value]): [string, string] => [key, String(value)]),
      );
      expect(await list(query.toString())).toMatchObject({ ids: 'x3', next: null });
    });

    test('shows details if they are requested', async () => {
      await begin();
      const plain = {
        id: 'x2',
        desired_config: 'compute',
        enabled: false,
        error_count: 0,
        configuration_status: 'configured',
      };
      const state = [{ ...applied, last_updated: AT }];
      const desired_state = [{ ...named, status: 'configured' }];
      const { body } = await ask('GET', '/v3/components?ids=x2');
      expect(body).toEqual({ components: [plain], next: null });
      const query = '?state_details=true&config_details=True';
      const one = await ask('GET', `/v3/components/x2${query}`);
      expect(one.body).toEqual({ ...plain, state, desired_state });
      expect((await ask('GET', '/v3/components/x4?config_details=true')).body).toMatchObject({
        desired_state: [],
      });
      expect((await ask('GET', '/v3/components/x5')).body).toEqual({
        id: 'x5',
        enabled: true,
        configuration_status: 'config_deprecated',
      });
    });
  });

  describe('PUT /v3/components', () => {
    test('returns ids in their order; the last element of an id counts', async () => {
      await begin();
      const bodies = [{ id: 'x2' }, { id: 'x6', enabled: true }, { id: 'x2', retry_policy: -1 }];
      const answer = await ask('PUT', '/v3/components', bodies);
      expect(answer).toMatchObject({ status: 200, body: { component_ids: ['x2', 'x6', 'x2'] } });
      expect((await ask('GET', '/v3/components/x2?state_details=true')).body).toEqual({
        ...{ id: 'x2', retry_policy: -1, state: [], configuration_status: 'config_deprecated' },
      });
      expect((await ask('PUT', '/v3/components', [])).body).toEqual({ component_ids: [] });
    });

    test('changes nothing if one element has no id', async () => {
      await begin();
      const answer = await ask('PUT', '/v3/components', [{ id: 'x6' }, { enabled: true }]);
      expect(answer).toMatchObject({
        status: 400,
        body: {
          title: 'Error parsing the data provided.',
          detail: expect.stringContaining('1.id'),
        },
      });
      expect((await ask('GET', '/v3/components/x6')).status).toBe(404);
    });
  });

  describe('PUT /v3/components/{id}', () => {
    test('replaces the whole record, under the id of the path, and returns it', async () => {
      await begin();
      const { body } = await put('x1', { id: 'other', state: [applied], tags: { a: '' } });
      const stored = { id: 'x1', state: [{ ...applied, last_updated: AT }], tags: { a: '' } };
      expect(body).toEqual(stored);
      expect((await ask('GET', '/v3/components/other')).status).toBe(404);
    });
  });

  describe('PATCH /v3/components', () => {
    test('takes a list, in order, all or nothing', async () => {
      await begin();
      const patches = [
        { id: 'x2', state_append: { ...layer, commit: `${commit}_failed`, session_name: 't' } },
        { id: 'x1', tags: { a: '', c: '3' } },
        { id: 'x2', error_count: 1 },
      ];
      const answer = await ask('PATCH', '/v3/components', patches);
      expect(answer).toMatchObject({ status: 200, body: { component_ids: ['x2', 'x1', 'x2'] } });
      expect((await ask('GET', '/v3/components/x2?state_details=true')).body).toMatchObject({
        error_count: 1,
        configuration_status: 'pending',
        state: [{ ...layer, session_name: 't', status: 'failed', last_updated: AT }],
      });
      expect((await ask('GET', '/v3/components/x1')).body).toMatchObject({
        tags: { b: '2', c: '3' },
      });

      const bad = await ask('PATCH', '/v3/components', [
        { id: 'x1', enabled: false },
        { id: 'x9' },
      ]);
      expect(bad).toMatchObject({
        status: 404,
        body: { title: 'Component not found.', detail: 'Component x9 could not be found' },
      });
      expect((await ask('GET', '/v3/components/x1')).body).toMatchObject({ enabled: true });
      expect((await ask('PATCH', '/v3/components', [])).body).toEqual({ component_ids: [] });
    });

    test('takes one patch for all that match', async () => {
      await begin();
      const patch = (filters: object, change: object = { enabled: true, id: 'other' }) =>
        ask('PATCH', '/v3/components', { patch: change, filters, unknown: 1 });
      const rows = [
        [{ status: 'failed', unknown: 1 }, ['x3']],
        [{ ids: 'x3,x1,x9', tags: 'a=1' }, ['x1', 'x3']],
        [{ config_name: 'compute', enabled: false }, ['x2']],
        [{ config_name: 'compute', enabled: false }, []],
        [{ status: '' }, ['x1', 'x2', 'x3', 'x4', 'x5']],
        [{}, ['x1', 'x2', 'x3', 'x4', 'x5']],
      ] as const;
      for (const [filters, component_ids] of rows) {
        expect([filters, await patch(filters)]).toMatchObject([
          filters,
          { status: 200, body: { component_ids } },
        ]);
      }
      await patch({ status: 'configured' }, { state: [] });
      expect(await list('status=pending')).toMatchObject({ ids: 'x1 x2' });
    });
  });

  test.each(['/v3/components', '/v2/components'])(
    '%s takes no id that no path can name',
    async (path) => {
      await begin();
      for (const id of ['.', '..']) {
        expect(await ask('PUT', path, [{ id: 'x6' }, { id }])).toMatchObject({
          status: 400,
          body: { detail: `Must not be "." or ".." - '1.id'` },
        });
      }
      expect((await ask('GET', '/v3/components/x6')).status).toBe(404);
      expect((await ask('PUT', path, [{ id: '.x' }, { id: '...' }])).status).toBe(200);
      expect((await ask('DELETE', '/v3/components/...')).status).toBe(204);
    },
  );

  describe('PATCH and DELETE /v3/components/{id}', () => {
    test('return the stored record, keep the id, and answer 404 for an unknown one', async () => {
      await begin();
      const path = '/v3/components/x3';
      const { status, body } = await ask('PATCH', path, { id: 'other', desired_config: 'gone' });
      expect([status, body]).toEqual([
        200,
        { id: 'x3', desired_config: 'gone', error_count: 0, state: [], tags: { a: '1' } },
      ]);
      expect((await ask('DELETE', path)).status).toBe(204);
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        expect(await ask(method, path, method === 'PATCH' ? {} : undefined)).toMatchObject({
          status: 404,
          body: { title: 'Component not found.', detail: 'Component x3 could not be found' },
        });
      }
    });
  });

  describe('v2 components', () => {
    test('are the same with other names, and the status at the end of the commit', async () => {
      await begin();
      const body = {
        desiredConfig: 'compute',
        state: [
          { ...layerV2, sessionName: 's' },
          { ...layerV2, playbook: 'b.yml', commit: `${commit}_skipped`, sessionName: 's' },
        ],
      };
      const answer = await ask('PUT', '/v2/components/x6', body);
      const state = body.state.map((each) => ({ ...each, lastUpdated: AT }));
      expect(answer).toMatchObject({ status: 200 });
      expect(answer.body).toEqual({ id: 'x6', desiredConfig: 'compute', errorCount: 0, state });
      const report = { ...layerV2, commit: `${commit}_incomplete` };
      await ask('PATCH', '/v2/components/x6', { stateAppend: report, tags: { a: '1' } });
      expect((await ask('GET', '/v2/components/x6?configDetails=true')).body).toEqual({
        ...{ id: 'x6', desiredConfig: 'compute', errorCount: 0, tags: { a: '1' } },
        state: [state[1], { ...report, lastUpdated: AT }],
        desiredState: [layerV2],
        configurationStatus: 'pending',
      });
      expect((await ask('GET', '/v3/components/x6?state_details=true')).body).toMatchObject({
        state: [
          { status: 'skipped', commit },
          { status: 'incomplete', commit },
        ],
      });
    });

    test('come as bare lists, by their filters', async () => {
      await begin();
      const ids = ({ body }: { body: unknown }) => (body as { id: string }[]).map(({ id }) => id);
      expect(ids(await ask('GET', '/v2/components?configName=gone'))).toEqual(['x4']);
      expect(ids(await ask('GET', '/v2/components?status=pending&enabled=true'))).toEqual(['x1']);
      expect(ids(await ask('PUT', '/v2/components', [{ id: 'x6' }]))).toEqual(['x6']);
      const patches = [{ id: 'x6', errorCount: 2 }];
      expect((await ask('PATCH', '/v2/components', patches)).body).toEqual([
        { id: 'x6', errorCount: 2, state: [], tags: {} },
      ]);
      const filtered = { patch: { enabled: true }, filters: { configName: 'gone' } };
      expect(ids(await ask('PATCH', '/v2/components', filtered))).toEqual(['x4']);
      expect((await ask('DELETE', '/v2/components/x6')).status).toBe(204);
      expect((await ask('GET', '/v2/components/x6')).status).toBe(404);

      await ask('PATCH', '/v3/options', { default_page_size: 4 });
      const tooMany = await ask('GET', '/v2/components');
      await ask('PATCH', '/v3/options', { default_page_size: 1_000 });
      expect(tooMany).toMatchObject({
        status: 400,
        body: { title: 'The response size is too large' },
      });
    });
  });
}
