import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGitClient } from '../../../src/clients/git.js';
import { createRepository, type Repository } from '../../support/git-repository.js';
import { openHttpService } from '../http-service.js';
import type { ContractSite } from './site.js';

export function configurationContract(site: () => ContractSite): void {
  let hosts: Repository;
  beforeAll(() => {
    hosts = createRepository({ files: { 'group_vars/all.yml': '{}\n' } });
  });
  afterAll(() => hosts.remove());

  describe('PUT /v3/configurations/{id}', () => {
    test('stores the commit at which each branch stands, and keeps the branch', async () => {
      const { status, body } = await site().ask('PUT', '/v3/configurations/both', {
        description: 'two layers',
        layers: [
          { name: 'first', clone_url: site().repository.url, branch: 'main', playbook: 'site.yml' },
          {
            clone_url: site().repository.url,
            commit: '1'.repeat(40),
            playbook: 'other.yml',
            special_parameters: { ims_require_dkms: true },
          },
        ],
        additional_inventory: { clone_url: hosts.url, branch: '' },
      });
      expect(status).toBe(200);
      expect(body).toEqual({
        name: 'both',
        description: 'two layers',
        last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        layers: [
          {
            name: 'first',
            clone_url: site().repository.url,
            branch: 'main',
            commit: site().repository.commit,
            playbook: 'site.yml',
          },
          {
            clone_url: site().repository.url,
            commit: '1'.repeat(40),
            playbook: 'other.yml',
            special_parameters: { ims_require_dkms: true },
          },
        ],
        additional_inventory: { clone_url: hosts.url, branch: '', commit: hosts.commit },
      });
      expect((await site().ask('GET', '/v3/configurations/both')).body).toEqual(body);
    });

    test('forgets the branches with drop_branches', async () => {
      const { body } = await site().ask('PUT', '/v3/configurations/dropped?drop_branches=TRUE', {
        layers: [{ clone_url: site().repository.url, branch: 'main', playbook: 'a.yml' }],
        additional_inventory: { clone_url: hosts.url, branch: 'main' },
      });
      expect(body).toMatchObject({
        layers: [
          { clone_url: site().repository.url, commit: site().repository.commit, playbook: 'a.yml' },
        ],
        additional_inventory: { clone_url: hosts.url, commit: hosts.commit },
      });
      expect(JSON.stringify(body)).not.toContain('branch');
    });

    test('takes no layers, an empty inventory and a layer without commit', async () => {
      const { status, body } = await site().ask('PUT', '/v3/configurations/empty', {
        layers: [],
        additional_inventory: {},
      });
      expect(status).toBe(200);
      expect(body).toEqual({ name: 'empty', last_updated: expect.any(String), layers: [] });
      const bare = await site().ask('PUT', '/v3/configurations/bare', {
        layers: [{ clone_url: site().repository.url, playbook: '' }],
      });
      expect(bare).toMatchObject({ status: 200, body: { layers: [{ playbook: '' }] } });
    });

    test('replaces what was there', async () => {
      await site().ask('PUT', '/v3/configurations/replaced', { description: 'old', layers: [] });
      const { body } = await site().ask('PUT', '/v3/configurations/replaced', { layers: [] });
      expect(body).not.toHaveProperty('description');
    });

    test('resolves each branch once, and several at the same time', async () => {
      const git = createGitClient({ protocols: 'file' });
      let running = 0;
      let most = 0;
      let calls = 0;
      const counting = await openHttpService({
        store: site().store,
        git: {
          async resolve(url, ref, signal) {
            calls += 1;
            most = Math.max(most, ++running);
            const commit = await git.resolve(url, ref, signal);
            running -= 1;
            return commit;
          },
        },
      });
      for (const name of ['b1', 'b2', 'b3']) site().repository.createBranch(name);
      const layers = ['b1', 'b2', 'b3'].flatMap((branch) =>
        ['a.yml', 'b.yml'].map((playbook) => ({
          clone_url: site().repository.url,
          branch,
          playbook: `${branch}-${playbook}`,
        })),
      );
      const { status } = await counting.ask('PUT', '/v3/configurations/many', { layers });
      expect({ status, calls, most }).toEqual({ status: 200, calls: 3, most: 3 });
      await counting.close();
    });

    test('resolves no more branches once one has failed', async () => {
      const asked: AbortSignal[] = [];
      const waiting = await openHttpService({
        store: site().store,
        git: {
          async resolve(_url, ref, signal) {
            if (ref === 'b1') throw new Error('There is no b1.');
            asked.push(signal);
            await once(signal, 'abort');
            throw new Error('It was given up.');
          },
        },
      });
      const layers = Array.from({ length: 20 }, (_, index) => ({
        ...{ clone_url: site().repository.url, branch: `b${index}`, playbook: `${index}.yml` },
      }));
      const { body } = await waiting.ask('PUT', '/v3/configurations/refused', { layers });
      expect(body).toMatchObject({ status: 400, detail: "There is no b1. - 'layers.1.branch'" });
      expect(asked.length).toBeLessThan(layers.length - 1);
      expect(asked.every(({ aborted }) => aborted)).toBe(true);
      await waiting.close();
    });

    test('takes 100 layers and names the limit', async () => {
      const layers = Array.from({ length: 101 }, (_, index) => ({
        ...{ clone_url: site().repository.url, commit: '1'.repeat(40), playbook: `${index}.yml` },
      }));
      const put = (some: typeof layers) =>
        site().ask('PUT', '/v3/configurations/long', { layers: some });
      expect(await put(layers.slice(0, 100))).toMatchObject({ status: 200 });
      expect(await put(layers)).toMatchObject({
        status: 400,
        body: { detail: "Must not have more than 100 layers - 'layers'" },
      });
    });

    test('finds layers in conflict only after the branches, as CFS does', async () => {
      const layer = { clone_url: site().repository.url, playbook: 'site.yml' };
      const { status, body } = await site().ask('PUT', '/v3/configurations/twice', {
        layers: [
          { ...layer, commit: '1'.repeat(40) },
          { ...layer, commit: '2'.repeat(40) },
        ],
      });
      expect(status).toBe(400);
      expect(body).toMatchObject({
        title: 'Error with conflicting layers',
        detail: expect.stringContaining("'layers.1'"),
      });
    });

    test('finds layers in conflict that name one repository by its URL and by a source', async () => {
      const { url } = site().repository;
      const source = 'conflicting';
      const credentials = { username: 'reader', password: 'not-this-one' };
      await site().ask('POST', '/v3/sources', { name: source, clone_url: url, credentials });
      const layer = { playbook: 'site.yml', commit: '1'.repeat(40) };
      const layers = [
        { ...layer, clone_url: url },
        { ...layer, source, commit: '2'.repeat(40) },
      ];
      const put = (some: object) => site().ask('PUT', '/v3/configurations/twice', { layers: some });
      expect((await put(layers)).body).toMatchObject({ title: 'Error with conflicting layers' });
      const [first, second] = layers;
      expect((await put([first, { ...second, playbook: 'other.yml' }])).status).toBe(200);
      await site().ask('DELETE', '/v3/configurations/twice');
      await site().ask('DELETE', `/v3/sources/${source}`);
    });
  });

  describe('PATCH /v3/configurations/{id}', () => {
    test('moves commits to where the branches stand now, whatever the body is', async () => {
      await site().ask('PUT', '/v3/configurations/moving', {
        layers: [
          { clone_url: site().repository.url, branch: 'main', playbook: 'a.yml' },
          { clone_url: site().repository.url, commit: '3'.repeat(40), playbook: 'b.yml' },
        ],
      });
      const commit = site().repository.addCommit({ files: { 'new.yml': '[]\n' } });
      const headers = { 'content-type': 'text/plain' };
      const { status, body } = await site().ask(
        'PATCH',
        '/v3/configurations/moving',
        'anything',
        headers,
      );
      expect(status).toBe(200);
      expect(body).toMatchObject({
        layers: [{ branch: 'main', commit }, { commit: '3'.repeat(40) }],
      });
    });

    test('reads and refreshes again if the configuration changes meanwhile', async () => {
      const git = createGitClient({ protocols: 'file' });
      const other = await openHttpService({
        store: site().store,
        git: {
          async resolve(url, ref, signal) {
            if (ref === 'main') {
              await other.ask('PUT', '/v3/configurations/raced', {
                layers: [{ clone_url: site().repository.url, branch: 'later', playbook: 'a.yml' }],
              });
            }
            return git.resolve(url, ref, signal);
          },
        },
      });
      site().repository.createBranch('later');
      await other.store.configurations.save({
        name: 'raced',
        lastUpdated: '2026-01-01T00:00:00Z',
        layers: [{ cloneUrl: site().repository.url, branch: 'main', playbook: 'a.yml' }],
      });
      const { status, body } = await other.ask('PATCH', '/v3/configurations/raced');
      expect(status).toBe(200);
      expect(body).toMatchObject({ layers: [{ branch: 'later' }] });
      await other.close();
    });
  });

  describe('DELETE /v3/configurations/{id}', () => {
    test('deletes once, then answers 404', async () => {
      await site().ask('PUT', '/v3/configurations/gone', { layers: [] });
      expect((await site().ask('DELETE', '/v3/configurations/gone')).status).toBe(204);
      for (const method of ['DELETE', 'GET', 'PATCH']) {
        expect(await site().ask(method, '/v3/configurations/gone')).toMatchObject({
          status: 404,
          body: {
            title: 'Configuration not found',
            detail: 'Configuration gone could not be found',
          },
        });
      }
    });
  });

  describe('Cray-Tenant-Name', () => {
    test.each(['GET', 'PATCH', 'DELETE'])('%s with any tenant is refused', async (method) => {
      const headers = { 'cray-tenant-name': 'blue' };
      const answer = await site().ask(method, '/v3/configurations/both', undefined, headers);
      expect(answer).toMatchObject({ status: 400, body: { title: 'Invalid tenant' } });
    });

    test('an empty one counts as absent', async () => {
      const headers = { 'cray-tenant-name': '' };
      const answer = await site().ask('GET', '/v3/configurations', undefined, headers);
      expect(answer.status).toBe(200);
    });
  });
}
