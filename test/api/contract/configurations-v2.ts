import { describe, expect, test } from '@jest/globals';
import type { ContractSite } from './site.js';

export function configurationV2Contract(site: () => ContractSite): void {
  const put = (name: string, body: unknown) =>
    site().ask('PUT', `/v2/configurations/${name}`, body);

  describe('/v2/configurations', () => {
    test('PUT answers 200 for create and replace, and pins branches', async () => {
      const { repository, ask } = site();
      const layer = { name: 'n'.repeat(100), cloneUrl: repository.url, branch: 'main' };
      const body = {
        description: 'd',
        layers: [
          { ...layer, playbook: 'a.yml', specialParameters: { imsRequireDkms: true } },
          layer,
        ],
        additional_inventory: { cloneUrl: repository.url, branch: 'main' },
      };
      const { commit } = repository;
      for (const round of [1, 2]) {
        const answer = await put('v2-all', body);
        expect({ round, ...answer }).toMatchObject({ status: 200 });
        expect(answer.body).toEqual({
          name: 'v2-all',
          description: 'd',
          lastUpdated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          layers: body.layers.map((given) => ({ ...given, commit })),
          additional_inventory: { ...body.additional_inventory, commit },
        });
        expect((await ask('GET', '/v2/configurations/v2-all')).body).toEqual(answer.body);
      }
    });

    test('a layer without a playbook stays without one, in v3 too', async () => {
      const { ask } = site();
      await put('v2-bare', { layers: [{ cloneUrl: 'https://git.example.com/a.git' }] });
      expect((await ask('GET', '/v3/configurations/v2-bare')).body).toMatchObject({
        layers: [{ clone_url: 'https://git.example.com/a.git' }],
      });
      const { body } = await ask('GET', '/v3/configurations/v2-bare');
      expect((body as { layers: object[] }).layers[0]).not.toHaveProperty('playbook');
    });

    test('a name has no limit of 60 here, and is out of reach for v3', async () => {
      const { ask } = site();
      const name = `v2-${'x'.repeat(100)}`;
      expect((await put(name, { layers: [] })).status).toBe(200);
      expect((await ask('GET', `/v2/configurations/${name}`)).status).toBe(200);
      expect((await ask('GET', `/v3/configurations/${name}`)).status).toBe(400);
      expect((await put('x'.repeat(256), { layers: [] })).status).toBe(400);
    });

    test('has neither tenants nor drop_branches', async () => {
      const { ask, repository } = site();
      const layers = [{ cloneUrl: repository.url, branch: 'main' }];
      const answer = await ask(
        'PUT',
        '/v2/configurations/v2-tenant?drop_branches=whatever',
        { layers },
        { 'Cray-Tenant-Name': 'somebody' },
      );
      expect(answer).toMatchObject({ status: 200, body: { layers: [{ branch: 'main' }] } });
    });

    test('lists all, as a bare array, or refuses', async () => {
      const { ask } = site();
      await put('v2-list', { layers: [] });
      const { status, body } = await ask('GET', '/v2/configurations');
      expect(status).toBe(200);
      expect(body).toContainEqual({ name: 'v2-list', lastUpdated: expect.any(String), layers: [] });
      expect((await ask('GET', '/v2/configurations?in_use=TRUE')).body).toEqual([]);
      await ask('PATCH', '/v3/options', { default_page_size: 1 });
      expect(await ask('GET', '/v2/configurations')).toMatchObject({
        status: 400,
        body: { title: 'The response size is too large' },
      });
      await ask('PATCH', '/v3/options', { default_page_size: 1000 });
    });

    test('PATCH moves the commits, whatever the body', async () => {
      const { ask, repository } = site();
      await put('v2-moved', { layers: [{ cloneUrl: repository.url, branch: 'main' }] });
      for (const body of [undefined, '', 'no json', { any: 1 }]) {
        expect(await ask('PATCH', '/v2/configurations/v2-moved', body)).toMatchObject({
          status: 200,
          body: { layers: [{ branch: 'main', commit: repository.commit }] },
        });
      }
    });

    test('DELETE answers 204, then 404', async () => {
      const { ask } = site();
      await put('v2-gone', { layers: [] });
      expect(await ask('DELETE', '/v2/configurations/v2-gone')).toMatchObject({
        status: 204,
        body: '',
      });
      for (const method of ['DELETE', 'GET', 'PATCH']) {
        expect(await ask(method, '/v2/configurations/v2-gone')).toMatchObject({
          status: 404,
          body: {
            title: 'Configuration not found',
            detail: 'Configuration v2-gone could not be found',
          },
        });
      }
    });

    const url = 'https://git.example.com/a.git';
    const commit = '1'.repeat(40);
    test.each([
      [{}, 'Bad Request', 'layers'],
      [{ layers: [], lastUpdated: '2026-01-01T00:00:00Z' }, 'Bad Request', 'lastUpdated'],
      [{ layers: [], additionalInventory: {} }, 'Bad Request', 'additionalInventory'],
      [{ layers: [], additional_inventory: {} }, 'Bad Request', 'additional_inventory.cloneUrl'],
      [{ layers: [], tenant_name: 'a' }, 'Bad Request', 'tenant_name'],
      [{ layers: [{ playbook: 'a' }] }, 'Bad Request', 'layers.0.cloneUrl'],
      [{ layers: [{ cloneUrl: '' }] }, 'Bad Request', 'layers.0.cloneUrl'],
      [{ layers: [{ cloneUrl: url, clone_url: url }] }, 'Bad Request', 'layers.0.clone_url'],
      [{ layers: [{ cloneUrl: url, source: 's' }] }, 'Bad Request', 'layers.0.source'],
      [{ layers: [{ cloneUrl: url, playbook: null }] }, 'Bad Request', 'layers.0.playbook'],
      [{ layers: [{ cloneUrl: '-x' }] }, 'Bad Request', "'layers.0.cloneUrl'"],
      [
        { layers: [], additional_inventory: { cloneUrl: 'https://u:p@a/b' } },
        'Bad Request',
        "'additional_inventory.cloneUrl'",
      ],
      [
        { layers: [{ cloneUrl: url, branch: 'a', commit }] },
        'Error handling error branches',
        'layers.0',
      ],
      [
        { layers: [{ cloneUrl: url }, { cloneUrl: url, commit }] },
        'Error with conflicting layers',
        'layers.1',
      ],
      [
        { layers: [{ cloneUrl: 'file:///nowhere.git', branch: 'main' }] },
        'Error converting branch name to commit',
        'layers.0.branch',
      ],
    ])('PUT %j is 400 %s, and names %s', async (body, title, member) => {
      expect(await put('v2-bad', body)).toMatchObject({
        status: 400,
        body: { title, detail: expect.stringContaining(member) },
      });
      expect((await site().ask('GET', '/v2/configurations/v2-bad')).status).toBe(404);
    });
  });
}
