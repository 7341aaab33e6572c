import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createImsClient } from '../../src/clients/ims.js';
import type { ImageClient } from '../../src/clients/interfaces.js';
import { startHsmStandIn } from '../support/hsm-stand-in.js';
import { startIms, type ImsStandIn } from '../support/ims-stand-in.js';

const IMAGE = '7c0a1f9e-0f6d-4a5c-9a51-1c2d3e4f5a6b';
const tlsFile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const never = new AbortController().signal;
const aJob = {
  imageId: IMAGE,
  resultName: 'compute_cfs_a',
  keyId: 'key',
  container: 'cfs-a-0123abcd.deadbeef',
  requireDkms: false,
};

describe.each(['', '/v2', '/v3', '/apis/ims/v3'])('IMS at prefix "%s"', (prefix) => {
  let ims: ImsStandIn;
  let client: ImageClient;
  beforeEach(async () => {
    ims = await startIms(prefix);
    client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
  });
  afterEach(() => ims.close());

  test('finds an image in a record with unknown members, and returns undefined if there is none', async () => {
    ims.images.set(IMAGE, { id: IMAGE, name: 'compute', link: null, metadata: {}, arch: 'x86_64' });
    expect(await client.findImage(IMAGE, never)).toEqual({ id: IMAGE, name: 'compute' });
    expect(await client.findImage(IMAGE.toUpperCase(), never)).toMatchObject({ id: IMAGE });
    expect(await client.findImage('00000000-0000-4000-8000-000000000000', never)).toBeUndefined();
  });

  test('makes a key once, even if the answer was lost', async () => {
    const key = { name: 'cfs_a_cfs-a-0123abcd_deadbeef', publicKey: 'ecdsa-sha2-nistp256 AAAA a' };
    ims.disturb('POST public-keys', 'lost');
    await expect(client.ensureKey(key, never)).rejects.toMatchObject({ fault: 'unavailable' });
    const id = await client.ensureKey(key, never);
    expect(await client.ensureKey(key, never)).toBe(id);
    expect([...ims.keys.keys()]).toEqual([id]);
    expect(await client.findKeys(key.name, never)).toEqual([id]);
    await client.removeKey(id, never);
    await client.removeKey(id, never);
    expect(ims.keys.size).toBe(0);
    expect(ims.deleted['public-keys'].size).toBe(0);
  });

  test('removes for good what version 3 only puts aside, also where an answer was lost', async () => {
    const key = { name: 'cfs_a_cfs-a-0123abcd_deadbeef', publicKey: 'ecdsa-sha2-nistp256 AAAA a' };
    const id = await client.ensureKey(key, never);
    ims.images.set(IMAGE, { id: IMAGE, name: 'late' });
    for (const kind of ['images', 'public-keys'] as const) {
      ims.disturb(`DELETE ${kind}`, 'lost');
      const remove = () =>
        kind === 'images' ? client.removeImage(IMAGE, never) : client.removeKey(id, never);
      await expect(remove()).rejects.toMatchObject({ fault: 'unavailable' });
      const isThere = ims.deleted[kind].size === 1;
      expect(isThere).toBe(prefix.endsWith('/v3'));
      if (kind === 'public-keys') {
        // Whoever comes next does not know the id.
        expect(await client.findKeys(key.name, never)).toEqual(isThere ? [id] : []);
        expect(await client.listNames(never)).toEqual(isThere ? [key.name] : []);
        // A key that is put aside opens no image.
        const other = await client.ensureKey(key, never);
        expect(other).not.toBe(id);
        await client.removeKey(other, never);
        ims.disturb('DELETE deleted/public-keys', 'problem');
        if (isThere) await expect(remove()).rejects.toMatchObject({ fault: 'unavailable' });
      }
      await remove();
      expect([ims.images.size, ims.keys.size, ims.deleted[kind].size]).toEqual([
        ...[0, kind === 'images' ? 1 : 0, 0],
      ]);
    }
  });

  test.each(['forbidden', 'unauthorized', 'nowhere', 'invalid'] as const)(
    'leaves alone what version 3 has put aside if that is %s',
    async (how) => {
      const key = {
        name: 'cfs_a_cfs-a-0123abcd_deadbeef',
        publicKey: 'ecdsa-sha2-nistp256 AAAA a',
      };
      const id = await client.ensureKey(key, never);
      const hasAside = prefix.endsWith('/v3');
      ims.disturb('DELETE deleted/public-keys', how, how);
      expect(await client.removeKey(id, never)).toEqual(
        hasAside ? expect.stringMatching(/answered with status 4\d\d/) : undefined,
      );
      expect([ims.keys.size, ims.deleted['public-keys'].size]).toEqual([0, hasAside ? 1 : 0]);
      // A sweep would try in vain, each time.
      expect(await client.listNames(never)).toEqual([]);
      expect(await client.listNames(never)).toEqual(hasAside ? [key.name] : []);
      ims.disturb('GET deleted/public-keys', how, how);
      expect(await client.findKeys(key.name, never)).toEqual([]);
      expect(await client.listNames(never)).toEqual([]);
      expect(await client.findKeys(key.name, never)).toEqual(hasAside ? [id] : []);
    },
  );

  test('makes a job once, and returns its address', async () => {
    ims.disturb('POST jobs', 'lost', 'problem');
    await expect(client.ensureJob(aJob, never)).rejects.toMatchObject({ fault: 'unavailable' });
    const job = await client.ensureJob(aJob, never);
    expect(job).toEqual({
      id: job.id,
      imageId: IMAGE,
      status: 'creating',
      address: { host: `cray-ims-${job.id}-service.ims.svc.cluster.local`, port: 22 },
    });
    expect([...ims.jobs.values()]).toMatchObject([
      {
        job_type: 'customize',
        artifact_id: IMAGE,
        image_root_archive_name: 'compute_cfs_a',
        public_key_id: 'key',
        ssh_containers: [{ name: aJob.container, jail: true }],
      },
    ]);
    expect([...ims.jobs.values()][0]).not.toHaveProperty('require_dkms');
  });

  test('distinguishes the jobs of a session by image and result, and takes the oldest of duplicates', async () => {
    const first = await client.ensureJob({ ...aJob, requireDkms: true }, never);
    const other = await client.ensureJob({ ...aJob, resultName: 'other' }, never);
    const foreign = await client.ensureJob(
      { ...aJob, container: 'cfs-b-0123abcd.deadbeef' },
      never,
    );
    const twice = { ...ims.jobs.get(first.id), id: 'twice', created: '2026-01-01T00:00:00+02:00' };
    ims.jobs.set('twice', twice);
    expect((await client.ensureJob(aJob, never)).id).toBe('twice');
    const found = await client.findJobs(aJob.container, never);
    expect(found.map(({ id }) => id)).toEqual(['twice', first.id, other.id]);
    expect(ims.jobs.get(first.id)).toMatchObject({ require_dkms: true });
    for (const { id } of [...found, foreign]) await client.removeJob(id, never);
    await client.removeJob(first.id, never);
    expect(ims.jobs.size).toBe(0);
  });

  test('reads a job until it has a result, and returns undefined once it is gone', async () => {
    const { id } = await client.ensureJob(aJob, never);
    const record = ims.jobs.get(id);
    ims.jobs.set(id, { ...record, status: 'packaging_artifacts', resultant_image_id: 'result' });
    const job = await client.getJob({ id, container: aJob.container }, never);
    expect(job).toMatchObject({ status: 'packaging_artifacts', resultId: 'result' });
    ims.jobs.delete(id);
    expect(await client.getJob({ id, container: aJob.container }, never)).toBeUndefined();
  });
});

describe('IMS', () => {
  let ims: ImsStandIn;
  let directory: string;
  beforeEach(async () => {
    ims = await startIms();
    directory = mkdtempSync(join(tmpdir(), 'keelson-ims-'));
  });
  afterEach(async () => {
    await ims.close();
    rmSync(directory, { recursive: true });
  });

  test.each([
    ['problem', 'Internal Server Error: \\(403\\) Reason: Forbidden', 500],
    ['message', 'Internal Server Error', 500],
    ['invalid', 'artifact_id: Not a valid UUID.; ssh_containers.0.color: Unknown field.', 422],
  ] as const)('that answers with the error %j is quoted', async (how, said, status) => {
    const client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
    ims.disturb('GET images', how);
    await expect(client.findImage(IMAGE, never)).rejects.toMatchObject({
      fault: status === 500 ? 'unavailable' : 'rejected',
      reason: 'IMAGE_PREPARE',
      message: expect.stringMatching(new RegExp(`status ${status} \\(.*${said}\\)`)),
    });
  });

  test('is trusted over TLS with the authority of the file, and not without', async () => {
    const read = (name: string) => readFileSync(tlsFile(name), 'utf8');
    const tls = { key: read('loopback.key'), cert: read('loopback.crt') };
    // It is no IMS, but if it answers, it was trusted.
    const server = await startHsmStandIn({ tls });
    const find = (caFile?: string) =>
      createImsClient({
        ...{ url: server.url, timeoutSeconds: 30 },
        ...(caFile === undefined ? {} : { caFile }),
      }).findImage(IMAGE, never);
    const refused = { fault: 'rejected', message: expect.stringContaining('trusted over TLS') };
    await expect(find()).rejects.toMatchObject(refused);
    await expect(find(tlsFile('other.crt'))).rejects.toMatchObject(refused);
    await expect(find(tlsFile('loopback.crt'))).rejects.toMatchObject({
      message: expect.stringContaining('answered with status 404'),
    });
    await server.close();
  });

  test('with an unexpected answer is rejected, and the wrong member is named', async () => {
    const client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
    ims.images.set(IMAGE, { id: IMAGE, name: 7 });
    await expect(client.findImage(IMAGE, never)).rejects.toMatchObject({
      fault: 'rejected',
      message: expect.stringContaining(`images/${IMAGE}.name`),
    });
  });

  test('with malformed records of others still returns ours', async () => {
    const client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
    ims.jobs.set('odd', { id: 'odd', status: 'none of IMS', ssh_containers: [{ name: null }] });
    ims.jobs.set('empty', {});
    ims.keys.set('odd', { id: 7, name: null });
    const { id } = await client.ensureJob(aJob, never);
    Object.assign(ims.jobs.get(id) ?? {}, { created: null });
    expect((await client.ensureJob(aJob, never)).id).toBe(id);
    const key = { name: 'cfs_a', publicKey: 'ssh x' };
    expect(await client.ensureKey(key, never)).toBe(await client.ensureKey(key, never));
    expect(await client.listNames(never)).toEqual([aJob.container, key.name]);

    // As a newer IMS might have it.
    Object.assign(ims.jobs.get(id) ?? {}, { status: 'none of IMS' });
    expect(await client.findJobs(aJob.container, never)).toMatchObject([{ status: 'none of IMS' }]);
    Object.assign(ims.jobs.get(id) ?? {}, { status: 7 });
    await expect(client.findJobs(aJob.container, never)).rejects.toMatchObject({
      fault: 'rejected',
      message: expect.stringContaining('jobs.status'),
    });
  });

  test('gets the present token of the file, which no message shows', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'first-token\n');
    const client = createImsClient({ url: ims.url, tokenFile, timeoutSeconds: 30 });
    await client.findImage(IMAGE, never);
    writeFileSync(tokenFile, 'second-token\n');
    ims.disturb('GET images', 'problem');
    const error = await client.findImage(IMAGE, never).catch((caught: unknown) => caught);
    expect(String(error)).not.toContain('second-token');
    expect(ims.requests.map(({ authorization }) => authorization)).toEqual([
      'Bearer first-token',
      'Bearer second-token',
    ]);
  });

  const refusals = [
    ['unauthorized', 401],
    ['forbidden', 403],
  ] as const;
  test.each(refusals)(
    'that answers %s to the first calls of a session rejects them',
    async (how, status) => {
      const client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
      for (const request of ['GET images', 'POST public-keys', 'POST jobs'])
        ims.disturb(request, how);
      const key = { name: 'cfs_a', publicKey: 'ssh x' };
      const begins = [
        client.findImage(IMAGE, never),
        client.ensureKey(key, never),
        client.ensureJob(aJob, never),
      ];
      for (const call of await Promise.allSettled(begins))
        expect(call).toMatchObject({
          reason: {
            fault: 'rejected',
            message: expect.stringMatching(new RegExp(`answered with status ${status}\\.$`)),
          },
        });
      expect([ims.keys.size, ims.jobs.size]).toEqual([0, 0]);
    },
  );

  test.each(refusals)('that answers %s to later calls is asked again', async (how, status) => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'first-token');
    const client = createImsClient({ url: ims.url, tokenFile, timeoutSeconds: 30 });
    const { id } = await client.ensureJob(aJob, never);
    const waits = (fact: RegExp) => ({
      fault: 'unavailable',
      reason: 'IMAGE_PREPARE',
      message: expect.stringMatching(fact),
    });
    const follows = [
      ['GET jobs', () => client.getJob({ id, container: aJob.container }, never)],
      ['GET jobs', () => client.findJobs(aJob.container, never)],
      ['DELETE jobs', () => client.removeJob(id, never)],
      ['DELETE images', () => client.removeImage(IMAGE, never)],
      ['GET public-keys', () => client.findKeys('cfs_a', never)],
      ['DELETE public-keys', () => client.removeKey('key', never)],
    ] as const;
    for (const [request, call] of follows) {
      ims.disturb(request, how);
      const said = new RegExp(`answered with status ${status}; trying again, in case the token`);
      await expect(call()).rejects.toMatchObject(waits(said));
    }
    // The file is just being written.
    writeFileSync(tokenFile, '');
    await expect(client.removeJob(id, never)).rejects.toMatchObject(
      waits(/does not contain a token/),
    );
    rmSync(tokenFile);
    await expect(client.removeJob(id, never)).rejects.toMatchObject(waits(/ENOENT/));
    await expect(client.findImage(IMAGE, never)).rejects.toMatchObject({ fault: 'rejected' });
    writeFileSync(tokenFile, 'second-token');
    await client.removeJob(id, never);
    expect(ims.requests.at(-1)).toMatchObject({ authorization: 'Bearer second-token' });
  });

  test.each(['nowhere', 'page'] as const)(
    'is away, and nothing is gone, where something else answers in its place: %s',
    async (how) => {
      const client = createImsClient({ url: ims.url, timeoutSeconds: 30 });
      ims.disturb('GET images', how);
      await expect(client.findImage(IMAGE, never)).rejects.toMatchObject({ fault: 'rejected' });
      const { id } = await client.ensureJob(aJob, never);
      const follows = [
        ['GET jobs', () => client.getJob({ id, container: aJob.container }, never)],
        ['GET jobs', () => client.findJobs(aJob.container, never)],
        ['DELETE jobs', () => client.removeJob(id, never)],
      ] as const;
      for (const [request, call] of follows) {
        ims.disturb(request, how);
        await expect(call()).rejects.toMatchObject({
          fault: 'unavailable',
          message: expect.stringMatching(/JSON/),
        });
      }
      expect(ims.jobs.size).toBe(1);
    },
  );

  test('that refuses the same token for ten minutes is not asked again', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'first-token');
    let minutes = 0;
    const clock = () => minutes * 60_000;
    const client = createImsClient({ url: ims.url, tokenFile, timeoutSeconds: 30, clock });
    const refused = async (fault: string, request = 'DELETE jobs') => {
      ims.disturb(request, 'forbidden');
      const call = request.startsWith('DELETE')
        ? client.removeJob('job', never)
        : client.findJobs(aJob.container, never);
      await expect(call).rejects.toMatchObject({ fault });
    };
    await refused('unavailable');
    minutes = 9;
    await refused('unavailable');
    minutes = 10;
    await refused('rejected');
    // The limit counts per method: reads have not been refused yet.
    await refused('unavailable', 'GET jobs');
    writeFileSync(tokenFile, 'second-token');
    await refused('unavailable');
    minutes = 30;
    await client.removeJob('job', never);
    await refused('unavailable');
  });

  test('that does not answer is unavailable after the limit of a call', async () => {
    const client = createImsClient({ url: 'http://127.0.0.1:9', timeoutSeconds: 1 });
    await expect(client.findImage(IMAGE, never)).rejects.toMatchObject({ fault: 'unavailable' });
  });
});
