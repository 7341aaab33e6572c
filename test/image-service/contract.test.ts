import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createImageSite, describeImages, type Answer, type ImageSite } from './image-site.js';

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Local time without an offset, which is UTC here. */
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/;
const ROOTFS = 'application/vnd.cray.image.rootfs.squashfs';
const aJob = {
  job_type: 'customize',
  artifact_id: UNKNOWN,
  public_key_id: UNKNOWN,
  image_root_archive_name: 'new',
  ssh_containers: [{ name: 'a', jail: true }],
};

describeImages('the image service', () => {
  let site: ImageSite;
  beforeAll(async () => {
    site = createImageSite();
    await site.start();
  });
  afterAll(() => site.close());

  const idOf = ({ body }: Answer) => (body as { id: string }).id;
  /** Writes the objects of an image, as if they had been put into S3. */
  const put = (id: string, files: Readonly<Record<string, unknown>>) => {
    const folder = join(site.data, 'boot-images', id);
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files))
      writeFileSync(
        join(folder, name),
        typeof content === 'string' ? content : JSON.stringify(content),
      );
    return { type: 's3', path: `s3://boot-images/${id}/manifest.json` };
  };
  const toArtifact = (id: string, more: object = {}) => ({
    type: ROOTFS,
    md5: '900150983cd24fb0d6963f7d28e17f72',
    link: { type: 's3', etag: '', path: `s3://boot-images/${id}/rootfs` },
    ...more,
  });
  const toManifest = (...artifacts: object[]) => ({ version: '1.0', artifacts });

  test.each(['', '/v2', '/v3'])('has images, keys and jobs at "%s"', async (prefix) => {
    const image = await site.ask('POST', `${prefix}/images`, { name: 'a' });
    expect(image).toMatchObject({ status: 201, type: 'application/json' });
    expect(image.body).toEqual({
      ...{ id: expect.stringMatching(UUID), created: expect.stringMatching(STAMP) },
      ...{ name: 'a', link: null, arch: 'x86_64', metadata: {} },
    });
    const key = await site.ask('POST', `${prefix}/public-keys`, { name: 'k', public_key: 'any' });
    expect(key.status).toBe(201);
    expect(key.body).toEqual({
      ...{ id: expect.stringMatching(UUID), created: expect.stringMatching(STAMP) },
      ...{ name: 'k', public_key: 'any' },
    });
    for (const [kind, made] of [
      ['images', image],
      ['public-keys', key],
    ] as const) {
      const path = `${prefix}/${kind}/${idOf(made)}`;
      expect(await site.ask('GET', path)).toMatchObject({ status: 200, body: made.body });
      expect((await site.ask('GET', `${prefix}/${kind}`)).body).toEqual([made.body]);
      expect(
        (await site.ask('GET', path.toUpperCase().replace(kind.toUpperCase(), kind))).status,
      ).toBe(404);
      expect((await site.ask('DELETE', path)).status).toBe(204);
      expect((await site.ask('DELETE', path)).status).toBe(404);
    }
    expect(await site.ask('GET', `${prefix}/jobs`)).toMatchObject({ status: 200, body: [] });
    expect(await site.ask('GET', `${prefix}/recipes`)).toMatchObject({ status: 200, body: [] });
  });

  test('answers the other requests that clients send to IMS', async () => {
    for (const path of ['/healthz/live', '/healthz/ready'])
      expect(await site.ask('GET', path)).toMatchObject({ status: 200, body: {} });
    expect((await site.ask('GET', '/version')).body).toEqual({ version: expect.any(String) });
    for (const path of ['deleted/images', 'deleted/public-keys', 'remote-build-nodes'])
      expect(await site.ask('GET', `/v3/${path}`)).toMatchObject({ status: 200, body: [] });
    expect((await site.ask('GET', '/deleted/images')).status).toBe(404);
  });

  test.each(['images', 'public-keys'])('has no deleted %s to show or restore', async (kind) => {
    const path = `/v3/deleted/${kind}`;
    const restore = { operation: 'undelete' };
    for (const [method, body] of [['GET'], ['PATCH', restore]] as const)
      expect(await site.ask(method, `${path}/${UNKNOWN}`, body)).toMatchObject({
        status: 404,
        body: { detail: expect.stringContaining(UNKNOWN) },
      });
    expect((await site.ask('DELETE', path)).status).toBe(204);
    expect((await site.ask('PATCH', path, restore)).status).toBe(204);
  });

  test('a client that deletes an image for good in two steps, as csm-rs does, succeeds', async () => {
    const id = idOf(await site.ask('POST', '/v3/images', { name: 'two-steps' }));
    expect((await site.ask('DELETE', `/v3/images/${id}`)).status).toBe(204);
    expect((await site.ask('DELETE', `/v3/deleted/images/${id}`)).status).toBe(204);
  });

  test('lists in the order of creation, and deletes all at once', async () => {
    const ids: string[] = [];
    for (const name of ['c', 'a', 'b', 'a'])
      ids.push(idOf(await site.ask('POST', '/public-keys', { name, public_key: 'any' })));
    const listed = (await site.ask('GET', '/v3/public-keys')).body as { id: string }[];
    expect(listed.map(({ id }) => id)).toEqual(ids);
    expect((await site.ask('DELETE', '/public-keys')).status).toBe(204);
    expect((await site.ask('GET', '/public-keys')).body).toEqual([]);
  });

  test.each([
    ['POST', '/v3/images', {}, 400],
    ['POST', '/images', [], 400],
    ['POST', '/public-keys', 'null', 400],
    ['GET', `/images/${UNKNOWN}`, undefined, 404],
    ['GET', '/jobs/..%2Fimages', undefined, 404],
    ['DELETE', `/v2/jobs/${UNKNOWN}`, undefined, 404],
    ['GET', '/v3/images/', undefined, 404],
    ['GET', '/nothing', undefined, 404],
    ['POST', '/jobs', aJob, 400],
    ['POST', '/jobs', { ...aJob, job_type: 'create' }, 400],
    ['POST', '/jobs', { ...aJob, ssh_containers: null }, 400],
    ['POST', '/jobs', { ...aJob, ssh_containers: [{ name: 'a' }] }, 400],
    ['POST', '/jobs', { ...aJob, ssh_containers: [{ jail: true }, { jail: true }] }, 400],
  ])('answers %s %s of %j with problem %i', async (method, path, body, status) => {
    const answer = await site.ask(method, path, body);
    expect(answer).toMatchObject({ status, type: 'application/problem+json' });
    expect(answer.body).toEqual({
      ...{ status, title: status === 400 ? 'Bad Request' : 'Not Found' },
      detail: expect.any(String),
    });
  });

  test.each([
    ['/images', { id: UNKNOWN, name: 'a' }, { id: ['Unknown field.'] }],
    ['/images', { name: '' }, { name: [expect.any(String)] }],
    ['/images', { name: 'a', arch: 'sparc' }, { arch: [expect.any(String)] }],
    ['/images', { name: 'a', platform: 'x86_64' }, { platform: ['Unknown field.'] }],
    ['/images', { name: 'a', link: { path: 'x' } }, { link: { type: [expect.any(String)] } }],
    ['/images', '"text"', { _schema: [expect.any(String)] }],
    ['/public-keys', { name: 'a' }, { public_key: [expect.any(String)] }],
    ['/jobs', { ...aJob, arch: 'x86_64' }, { arch: ['Unknown field.'] }],
    ['/jobs', { ...aJob, artifact_id: '7' }, { artifact_id: [expect.any(String)] }],
    ['/jobs', { ...aJob, build_env_size: 0 }, { build_env_size: [expect.any(String)] }],
    ['/jobs', { ...aJob, require_dkms: 'perhaps' }, { require_dkms: [expect.any(String)] }],
    [
      '/jobs',
      { ...aJob, image_root_archive_name: 'a/b' },
      { image_root_archive_name: ['Must not hold / or control characters.'] },
    ],
    [
      '/jobs',
      { ...aJob, ssh_containers: [{ jail: true, color: 'red' }] },
      { ssh_containers: { 0: { color: ['Unknown field.'] } } },
    ],
  ])('answers POST %s of %j with 422, and names the field', async (path, body, errors) => {
    const answer = await site.ask('POST', path, body);
    expect(answer).toMatchObject({ status: 422, type: 'application/problem+json' });
    expect(answer.body).toEqual({
      ...{ status: 422, title: 'Unprocessable Entity', detail: expect.any(String), errors },
    });
  });

  test('answers with a message where the framework of IMS refuses a request', async () => {
    const wrong = await site.ask('PATCH', '/v3/jobs');
    expect(wrong).toMatchObject({ status: 405, type: 'application/json' });
    expect(wrong.body).toEqual({
      ...{ status: 405, title: 'Method Not Allowed' },
      ...{ message: expect.any(String), detail: expect.any(String) },
    });
    expect(await site.ask('POST', '/images', '{"name"')).toMatchObject({
      ...{ status: 400, type: 'application/json', body: { message: expect.any(String) } },
    });
    expect(await send('text/plain', '{}')).toBe(415);
    expect(await send('application/json', '{"name":"a"}', 'http://foreign.example')).toBe(403);
    const refused = await site.ask('DELETE', '/jobs?status=unknown');
    expect(refused).toMatchObject({ status: 400, type: 'application/problem+json' });
    expect(refused.body).toEqual({ status: 400, title: '"unknown" is not known' });
    expect((await site.ask('DELETE', '/jobs?age=3%20days')).status).toBe(400);
    expect((await site.ask('DELETE', '/jobs?age=2w%203d&job_type=create')).status).toBe(204);
  });

  test('links an image to its manifest, once', async () => {
    const id = idOf(await site.ask('POST', '/images', { name: 'linked' }));
    const link = put(id, { rootfs: 'abc', 'manifest.json': toManifest(toArtifact(id)) });
    const path = `/v3/images/${id}`;
    const full = { ...link, etag: 'any' };
    const linked = await site.ask('PATCH', path, { link: full });
    expect(linked).toMatchObject({ status: 200, body: { id, link: full } });
    expect(await site.ask('PATCH', path, { link: full })).toMatchObject({ status: 200 });
    expect(await site.ask('PATCH', path, { link })).toMatchObject({ status: 409 });
    expect(await site.ask('POST', '/images', { name: 'again', link })).toMatchObject({
      ...{ status: 422, body: { detail: expect.stringContaining(id) } },
    });
    expect(await site.ask('PATCH', path, { name: 'other' })).toMatchObject({ status: 422 });
    const set = { operation: 'set', key: 'k', value: 'v' };
    const changed = await site.ask('PATCH', path, { arch: 'aarch64', metadata: set });
    expect(changed.body).toMatchObject({ arch: 'aarch64', metadata: { k: 'v' } });
    const without = await site.ask('PATCH', path, { metadata: { operation: 'remove', key: 'k' } });
    expect(without.body).toMatchObject({ metadata: {} });
    expect((await site.ask('DELETE', path)).status).toBe(204);
    expect(() => readFileSync(join(site.data, 'boot-images', id, 'rootfs'))).toThrow('ENOENT');
  });

  test('loses none of several simultaneous changes', async () => {
    const path = `/images/${idOf(await site.ask('POST', '/images', { name: 'a' }))}`;
    const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    await Promise.all(
      keys.map((key) =>
        site.ask('PATCH', path, { metadata: { operation: 'set', key, value: 'v' } }),
      ),
    );
    const { metadata } = (await site.ask('GET', path)).body as { metadata: object };
    expect(Object.keys(metadata).sort()).toEqual([...keys].sort());
  });

  test('links a manifest to only one of the images that ask for it at the same time', async () => {
    const artifact = toArtifact('together');
    const link = put('together', { rootfs: 'abc', 'manifest.json': toManifest(artifact) });
    const asked = ['a', 'b', 'c', 'd'].map((name) => site.ask('POST', '/images', { name, link }));
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([201, 422, 422, 422]);
  });

  test('takes metadata in both shapes', async () => {
    const make = async (metadata: object) =>
      (await site.ask('POST', '/images', { name: 'a', metadata })).body;
    expect(await make({ key: 'k', value: 'v' })).toMatchObject({ metadata: { k: 'v' } });
    expect(await make({ a: '1', b: '2' })).toMatchObject({ metadata: { a: '1', b: '2' } });
  });

  test.each([
    ['no manifest', {}, 422, 'There is no object'],
    ['a manifest that is no JSON', { 'manifest.json': 'no' }, 422, 'is not JSON'],
    ['another version', { 'manifest.json': { version: '2.0', artifacts: [] } }, 422, 'version'],
    ['no artifacts', { 'manifest.json': { version: '1.0' } }, 422, 'version 1.0: artifacts: '],
    ['a large manifest', { 'manifest.json': ' '.repeat(1024 * 1024) }, 400, '1 MiB'],
    ['no root', { 'manifest.json': toManifest() }, 400, 'no root'],
    ['a root that is not there', { 'manifest.json': toManifest(toArtifact('x')) }, 422, 'x/rootfs'],
    [
      'a root elsewhere',
      {
        'manifest.json': toManifest(
          toArtifact('x', { link: { type: 's3', path: 's3://boot-images/../images/x' } }),
        ),
      },
      ...([422, 'There is no object'] as const),
    ],
  ])('refuses a link to %s', async (what, files, status, detail) => {
    const link = put(`of-${what.replaceAll(' ', '-')}`, files);
    const answer = await site.ask('POST', '/images', { name: 'a', link });
    expect(answer.status).toBe(status);
    expect((answer.body as { detail: string }).detail).toContain(detail);
  });

  test('links an image whose manifest has no checksums', async () => {
    const manifest = toManifest(toArtifact('unchecked', { md5: null }));
    const link = put('unchecked', { rootfs: 'abc', 'manifest.json': manifest });
    const { status, body } = await site.ask('POST', '/images', { name: 'unchecked', link });
    expect([status, body]).toMatchObject([201, { link }]);
  });

  test('refuses a job whose image or key is unusable', async () => {
    const key = idOf(
      await site.ask('POST', '/public-keys', { name: 'k', public_key: 'two\nlines' }),
    );
    const bare = idOf(await site.ask('POST', '/images', { name: 'bare' }));
    const folder = 'two-roots';
    const link = put(folder, { rootfs: 'abc', 'manifest.json': toManifest(toArtifact(folder)) });
    const image = idOf(await site.ask('POST', '/images', { name: 'two', link }));
    const post = async (change: object) => {
      const { status, body } = await site.ask('POST', '/v3/jobs', { ...aJob, ...change });
      return [status, (body as { detail: string }).detail];
    };
    expect(await post({})).toEqual([400, expect.stringContaining(`no image ${UNKNOWN}`)]);
    expect(await post({ artifact_id: bare })).toEqual([400, expect.stringContaining('no link')]);
    const unknownKey = expect.stringContaining(`no public key ${UNKNOWN}`);
    expect(await post({ artifact_id: image })).toEqual([400, unknownKey]);
    const notOne = expect.stringContaining('not one key in one line');
    expect(await post({ artifact_id: image, public_key_id: key })).toEqual([400, notOne]);
    put(folder, { 'manifest.json': toManifest(toArtifact(folder), toArtifact(folder)) });
    expect(await post({ artifact_id: image })).toEqual([
      400,
      expect.stringContaining('more than one'),
    ]);
    put(folder, { 'manifest.json': '' });
    expect(await post({ artifact_id: image })).toEqual([400, expect.stringContaining('not JSON')]);
    expect((await site.ask('GET', '/jobs')).body).toEqual([]);
  });

  /** Browsers and careless clients send other headers than `fetch` does. */
  function send(type: string, body: string, origin?: string): Promise<number> {
    const headers = { 'content-type': type, ...(origin === undefined ? {} : { origin }) };
    return new Promise((resolve, reject) => {
      const sent = request(`${site.url()}/images`, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
});

describeImages('the image service with a token', () => {
  test('serves nothing else without the token', async () => {
    const site = createImageSite();
    const tokenFile = join(site.directory, 'token');
    writeFileSync(tokenFile, 'a-token\n');
    await site.start({ IMAGE_SERVICE_TOKEN_FILE: tokenFile });
    expect((await site.ask('GET', '/healthz/ready')).status).toBe(200);
    expect((await site.ask('GET', '/images')).status).toBe(401);
    const headers = { authorization: 'Bearer a-token' };
    expect((await fetch(`${site.url()}/images`, { headers })).status).toBe(200);
    expect(site.log()).not.toContain('a-token');
    await site.kill('SIGTERM');
    await site.close();
  });
});

describeImages('the image service with an SSH address of another machine', () => {
  test('does not start, and names the setting', async () => {
    const site = createImageSite();
    try {
      await expect(site.start({ IMAGE_SSH_ADDRESS: '192.0.2.1' })).rejects.toThrow(
        'IMAGE_SSH_ADDRESS: this machine cannot listen at 192.0.2.1 (EADDRNOTAVAIL).',
      );
    } finally {
      await site.close();
    }
  });
});
