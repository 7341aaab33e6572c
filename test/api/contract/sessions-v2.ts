import { describe, expect, test } from '@jest/globals';
import { completeSession } from '../service.js';
import type { ContractSite } from './site.js';

const TOO_LARGE = { status: 400, body: { title: 'The response size is too large' } };

export function sessionV2Contract(site: () => ContractSite): void {
  const post = (body: object) => site().ask('POST', '/v2/sessions', body);
  const names = async (query: string) => {
    const { body } = await site().ask('GET', `/v2/sessions?${query}`);
    return (body as { name: string }[]).map(({ name }) => name);
  };

  describe('/v2/sessions', () => {
    test('POST answers 200 with every member of v2 and no other', async () => {
      const { setTime, ask } = site();
      await ask('PUT', '/v3/configurations/compute', { layers: [] });
      setTime('2026-03-04T05:06:07.891Z');
      const { status, body } = await post({ name: 'v2-plain', configurationName: 'compute' });
      setTime(undefined);
      expect(status).toBe(200);
      expect(body).toEqual({
        name: 'v2-plain',
        configuration: { name: 'compute', limit: '' },
        ansible: {
          config: 'cfs-default-ansible-cfg',
          limit: null,
          verbosity: 0,
          passthrough: null,
        },
        target: { definition: 'dynamic', groups: null, image_map: null },
        status: {
          artifacts: [],
          session: {
            job: null,
            startTime: '2026-03-04T05:06:07',
            completionTime: null,
            status: 'pending',
            succeeded: 'none',
          },
        },
        tags: {},
      });
      expect((await ask('GET', '/v2/sessions/v2-plain')).body).toEqual(body);
      expect((await ask('GET', '/v3/sessions/v2-plain')).body).toMatchObject({
        ansible: { limit: null, passthrough: null },
        debug_on_failure: false,
      });
    });

    test('keeps everything that was asked for', async () => {
      const asked = {
        name: 'v2-full',
        configurationName: 'compute',
        configurationLimit: '0,site',
        ansibleLimit: '',
        ansibleConfig: 'site-cfg',
        ansibleVerbosity: 4,
        ansiblePassthrough: '--tags x',
        target: {
          definition: 'spec',
          groups: [{ name: 'Compute', members: ['x1', 'x2'] }],
          image_map: [{ source_id: 'a', result_name: 'b' }],
          more: 'dropped',
        },
        tags: { bos_session: 'b-1' },
      };
      const { body } = await post(asked);
      expect(body).toMatchObject({
        configuration: { name: 'compute', limit: '0,site' },
        ansible: { config: 'site-cfg', limit: '', verbosity: 4, passthrough: '--tags x' },
        tags: asked.tags,
      });
      expect((body as { target: object }).target).toEqual({
        definition: 'spec',
        groups: asked.target.groups,
        image_map: asked.target.image_map,
      });
    });

    test('accepts a configuration name that v3 does not', async () => {
      const { ask } = site();
      const name = `v2-${'c'.repeat(90)}`;
      await ask('PUT', `/v2/configurations/${name}`, { layers: [] });
      expect(await post({ name: 'v2-long', configurationName: name })).toMatchObject({
        status: 200,
        body: { configuration: { name } },
      });
    });

    test('takes a longer name than v3, which every other route then knows', async () => {
      const { ask } = site();
      const name = `v2.${'n'.repeat(252)}`;
      expect(await post({ name, configurationName: 'compute' })).toMatchObject({
        status: 200,
        body: { name },
      });
      expect(await ask('GET', `/v3/sessions/${name}`)).toMatchObject({
        status: 200,
        body: { name },
      });
      const { jobId = '' } = (await site().store.sessions.find(name)) ?? {};
      expect(jobId).toMatch(/^cfs-v2\.n{47}-[0-9a-f]{8}$/);
      expect((await ask('DELETE', `/v2/sessions/${name}`)).status).toBe(204);
    });

    test.each(['debug_noop', 'nowhere'])('knows no configuration %s: 400', async (name) => {
      expect(await post({ name: 'v2-none', configurationName: name })).toMatchObject({
        status: 400,
        body: {
          title: 'Invalid configuration',
          detail: `No configurations exist named ${name} - 'configurationName'`,
        },
      });
    });

    test('a name that is taken is 409', async () => {
      await post({ name: 'v2-twice', configurationName: 'compute' });
      expect(await post({ name: 'v2-twice', configurationName: 'nowhere' })).toMatchObject({
        status: 409,
        body: { title: 'Conflicting session name' },
      });
    });

    const good = { name: 'v2-bad', configurationName: 'compute' };
    test.each([
      [{ name: 'v2-bad' }, 'configurationName'],
      [{ ...good, configuration_name: 'compute' }, 'configuration_name'],
      [{ ...good, configurationName: 'c'.repeat(256) }, 'configurationName'],
      [{ ...good, name: 'n'.repeat(256) }, 'name'],
      [{ ...good, name: 'N' }, 'name'],
      [{ ...good, ansibleLimit: null }, 'ansibleLimit'],
      [{ ...good, ansibleLimit: 'a b' }, 'ansibleLimit'],
      [{ ...good, ansiblePassthrough: null }, 'ansiblePassthrough'],
      [{ ...good, ansiblePassthrough: '--check' }, "'ansiblePassthrough'"],
      [{ ...good, ansibleVerbosity: 5 }, 'ansibleVerbosity'],
      [{ ...good, debugOnFailure: true }, 'debugOnFailure'],
      [{ ...good, target: { definition: 'spec' } }, 'target.groups'],
      [{ ...good, target: null }, 'target'],
      [{ ...good, tags: { a: 1 } }, 'tags.a'],
    ])('POST %j is 400 and names %s', async (body, member) => {
      expect(await post(body)).toMatchObject({
        status: 400,
        body: { title: 'Bad Request', detail: expect.stringContaining(member) },
      });
      expect((await site().ask('GET', '/v2/sessions/v2-bad')).status).toBe(404);
    });

    test('filters as v3 does, with the age of v2', async () => {
      const { setTime, store } = site();
      setTime('2026-01-01T00:00:00.000Z');
      await post({ name: 'f-old', configurationName: 'compute', tags: { set: 'f' } });
      setTime('2026-01-04T00:00:00.000Z');
      await post({ name: 'f-new', configurationName: 'compute', tags: { set: 'f', k: 'v' } });
      await completeSession(store, 'f-new');
      const all = ['f-new', 'f-old'];
      const rows: readonly (readonly [string, readonly string[]])[] = [
        ['', all],
        ['age=1d', ['f-old']],
        ['min_age=1D', ['f-old']],
        ['age=1m&min_age=2d', ['f-old']],
        ['age=2d&min_age=', ['f-old']],
        ['age=', all],
        ['max_age=1d', ['f-new']],
        ['status=complete', ['f-new']],
        ['status=complete&status=pending', ['f-old']],
        ['succeeded=true', ['f-new']],
        ['name_contains=-o', ['f-old']],
        ['tags=set=f,k=v', ['f-new']],
        ['limit=1', all],
        ['after_id=f-new', all],
      ];
      for (const [query, expected] of rows) {
        expect([query, await names(`tags=set=f&${query}`)]).toEqual([query, expected]);
      }
      setTime(undefined);
    });

    test.each([
      ['GET', 'status=', 'Bad Request'],
      ['GET', 'succeeded=', 'Bad Request'],
      ['GET', 'age=7', 'Bad Request'],
      ['DELETE', 'status=', 'Bad Request'],
      ['DELETE', 'tags=a', 'Error parsing the tags provided.'],
      ['GET', 'tags=a', 'Error parsing the tags provided.'],
      ['GET', 'age=999999999w', 'Bad Request'],
    ])('%s ?%s is 400 %s', async (method, query, title) => {
      expect(await site().ask(method, `/v2/sessions?${query}`)).toMatchObject({
        status: 400,
        body: { title },
      });
    });

    test('refuses a list of more than the option default_page_size', async () => {
      const { ask } = site();
      for (const name of ['p-1', 'p-2']) await post({ name, configurationName: 'compute' });
      await ask('PATCH', '/v3/options', { default_page_size: 1 });
      expect(await ask('GET', '/v2/sessions?name_contains=p-')).toMatchObject(TOO_LARGE);
      expect(await names('name_contains=p-1')).toEqual(['p-1']);
      await ask('PATCH', '/v3/options', { default_page_size: 2 });
      expect(await names('name_contains=p-')).toEqual(['p-1', 'p-2']);
      await ask('PATCH', '/v3/options', { default_page_size: 1000 });
    });

    test('DELETE of many answers 204 and touches only what is complete', async () => {
      const { ask, store } = site();
      for (const name of ['d-1', 'd-2']) await post({ name, configurationName: 'compute' });
      await completeSession(store, 'd-1');
      const gone = { status: 204, body: '' };
      expect(await ask('DELETE', '/v2/sessions?name_contains=d-')).toMatchObject(gone);
      expect(await names('name_contains=d-')).toEqual(['d-2']);
      expect(await ask('DELETE', '/v2/sessions?name_contains=d-&status=pending')).toMatchObject(
        gone,
      );
      expect(await names('name_contains=d-')).toEqual([]);
    });

    test('DELETE of one answers 204, then 404', async () => {
      const { ask } = site();
      await post({ name: 'one', configurationName: 'compute' });
      expect(await ask('DELETE', '/v2/sessions/one')).toMatchObject({ status: 204, body: '' });
      for (const method of ['DELETE', 'GET']) {
        expect(await ask(method, '/v2/sessions/one')).toMatchObject({
          status: 404,
          body: { title: 'Session not found.', detail: 'Session one could not be found' },
        });
      }
    });
  });
}
