import { describe, expect, test } from '@jest/globals';
import type { ContractSite } from './site.js';

/** Name in v3, name in v2, default, other valid values, invalid values. */
const rows: readonly [string, string | null, unknown, readonly unknown[], readonly unknown[]][] = [
  [
    'default_ansible_config',
    'defaultAnsibleConfig',
    'cfs-default-ansible-cfg',
    ['', 'a'.repeat(60)],
    ['a'.repeat(61), null],
  ],
  ['logging_level', 'loggingLevel', 'INFO', ['DEBUG', 'WARNING', 'ERROR'], ['info', '', null]],
  ['default_page_size', null, 1000, [1], [0, 1.5, '7', true]],
  ['include_ara_links', null, true, [false], ['true', 1]],
  ['session_ttl', 'sessionTTL', '7d', ['', '24H', '2w'], ['7', '7x', '1d1h', '12345678901d', null]],
  [
    'additional_inventory_url',
    'additionalInventoryUrl',
    '',
    ['https://git.example.com/a.git'],
    ['a b', 'a;b', `https://${'a'.repeat(240)}`],
  ],
  ['additional_inventory_source', null, '', ['s'], ['s'.repeat(61)]],
  ['debug_wait_time', null, 3600, [0], [-1]],
  ['batcher_check_interval', 'batcherCheckInterval', 10, [1], [0]],
  ['batch_size', 'batchSize', 25, [1], [0]],
  ['batch_window', 'batchWindow', 60, [0], [-1]],
  ['default_batcher_retry_policy', 'defaultBatcherRetryPolicy', 3, [0], [-1]],
  ['batcher_max_backoff', 'batcherMaxBackoff', 3600, [0], [-1]],
  ['batcher_disable', 'batcherDisable', false, [true], ['no', null]],
  ['batcher_pending_timeout', 'batcherPendingTimeout', 300, [1], [0]],
  ['hardware_sync_interval', 'hardwareSyncInterval', 10, [1], [0]],
];

export function optionContract(site: () => ContractSite): void {
  describe('options', () => {
    test.each(rows)('%s is %s in v2, %j by default', async (v3, v2, byDefault, good, bad) => {
      const { ask } = site();
      const get = async (path: string) => (await ask('GET', path)).body as Record<string, unknown>;
      expect((await get('/v3/options'))[v3]).toEqual(byDefault);
      for (const value of [...good, byDefault]) {
        expect(await ask('PATCH', '/v3/options', { [v3]: value })).toMatchObject({
          status: 200,
          body: { [v3]: value },
        });
        if (v2 === null) continue;
        expect((await get('/v2/options'))[v2]).toEqual(value);
        expect(await ask('PATCH', '/v2/options', { [v2]: byDefault })).toMatchObject({
          status: 200,
          body: { [v2]: byDefault },
        });
        expect(await ask('PATCH', '/v2/options', { [v2]: value })).toMatchObject({ status: 200 });
        expect((await get('/v3/options'))[v3]).toEqual(value);
      }
      for (const value of bad) {
        const refusals = [
          [v3, await ask('PATCH', '/v3/options', { [v3]: value })] as const,
          ...(v2 === null
            ? []
            : [[v2, await ask('PATCH', '/v2/options', { [v2]: value })] as const]),
        ];
        for (const [member, answer] of refusals) {
          expect(answer).toMatchObject({
            status: 400,
            body: { title: 'Bad Request', detail: expect.stringContaining(`'${member}'`) },
          });
        }
        expect((await get('/v3/options'))[v3]).toEqual(byDefault);
      }
    });

    test('v2 shows its own members and no other', async () => {
      const { body } = await site().ask('GET', '/v2/options');
      const known = rows.flatMap(([, v2]) => (v2 === null ? [] : [v2]));
      expect(Object.keys(body as object).sort()).toEqual([...known, 'defaultPlaybook'].sort());
    });

    test('default_playbook is read-only in v3, and can be written in v2', async () => {
      const { ask } = site();
      const answer = await ask('PATCH', '/v3/options', { default_playbook: 'a.yml' });
      expect(answer).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('read-only') },
      });
      expect(await ask('PATCH', '/v2/options', { defaultPlaybook: 'a.yml' })).toMatchObject({
        status: 200,
        body: { defaultPlaybook: 'a.yml' },
      });
      expect((await ask('GET', '/v3/options')).body).toMatchObject({ default_playbook: 'a.yml' });
      await ask('PATCH', '/v2/options', { defaultPlaybook: 'site.yml' });
    });

    test.each(['v2', 'v3'])(
      '%s takes an empty object, and refuses what it does not know',
      async (version) => {
        const { ask } = site();
        const path = `/${version}/options`;
        const { body } = await ask('GET', path);
        expect(await ask('PATCH', path, {})).toMatchObject({ status: 200, body });
        for (const unknown of [
          'other',
          version === 'v2' ? 'batch_size' : 'batchSize',
          'clone_time',
        ]) {
          expect(await ask('PATCH', path, { [unknown]: 1 })).toMatchObject({ status: 400 });
        }
        expect((await ask('PATCH', path, [])).status).toBe(400);
        expect(await ask('PUT', path, {})).toMatchObject({ status: 405 });
        expect(await ask('DELETE', path)).toMatchObject({ status: 405 });
      },
    );
  });
}
