import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { describeImages } from '../image-service/image-site.js';
import { waitFor } from '../support/wait.js';
import { openImageSessions, whenStatus, writesLine, type ImageSessions } from './image-sessions.js';
import { renderPlay } from './site.js';

/** Every call that a session makes to the image service. */
const CALLS = [
  ...['GET images/…', 'GET public-keys', 'POST public-keys', 'DELETE public-keys/…'],
  ...['GET jobs', 'POST jobs', 'GET jobs/…', 'DELETE jobs/…'],
];
const MOMENTS = ['before', 'after'] as const;

/** Whether to run the tests that take minutes, as `npm run images:all` does. */
const isWhole = process.env['IMAGE_KILLS'] === 'all';
const OUTAGE_MS = 60_000;

const toLines = (id: string) => `first ${id}\nsecond ${id}\n`;

describeImages('image sessions', () => {
  let sessions: ImageSessions;
  let image: string;
  let known: readonly string[] = [];
  beforeAll(async () => {
    sessions = await openImageSessions();
    image = await sessions.images.add(sessions.tree);
  });
  afterAll(() => sessions.close(), 60_000);
  afterEach(async () => {
    sessions.images.letGo('unsquashfs');
    sessions.images.letGo('mksquashfs');
    known = await sessions.made();
  });
  const newlyMade = async () => (await sessions.made()).filter((id) => !known.includes(id));
  const endless = () => [
    sessions.site.layer({ 'site.yml': renderPlay('compute', 'raw: sleep 600') }),
  ];
  /** Expects success and one new image, which the artifact names and in which every playbook ran once. */
  const expectOneResult = async (name: string) => {
    expect(await sessions.whenOver(name)).toMatchObject({ succeeded: 'true', reason: null });
    const artifacts = await sessions.artifacts(name);
    expect(artifacts).toMatchObject([{ image_id: image, type: 'ims_customized_image' }]);
    const result = artifacts[0]?.result_id ?? '';
    expect(await newlyMade()).toEqual([result]);
    expect(sessions.read(result, 'root/lines')).toBe(toLines(image));
  };
  const expectNoResult = async (name: string, reason: string) => {
    const ended = await sessions.whenOver(name);
    expect(ended).toMatchObject({ succeeded: 'false', reason });
    expect([await sessions.artifacts(name), await newlyMade()]).toEqual([[], []]);
    return ended;
  };

  test('customize two images at once, and leave their sources as they were', async () => {
    const other = await sessions.images.add(sessions.tree, 'login');
    await sessions.submit('two', [image, other]);
    expect(await sessions.whenOver('two')).toMatchObject({ succeeded: 'true', reason: null });
    const artifacts = await sessions.artifacts('two');
    expect(artifacts.map(({ image_id }) => image_id).sort()).toEqual([image, other].sort());
    expect([...(await newlyMade())].sort()).toEqual(
      artifacts.map(({ result_id }) => result_id).sort(),
    );
    for (const { image_id, result_id } of artifacts) {
      expect(sessions.read(result_id, 'root/lines')).toBe(toLines(image_id));
      expect(sessions.read(image_id, 'root/lines')).toBeUndefined();
      const { body } = await sessions.images.ask('GET', `/images/${result_id}`);
      expect(body).toMatchObject({ name: `${image_id === image ? 'compute' : 'login'}_cfs_two` });
    }
    const phases = await sessions.site.phases('two');
    expect(phases.map(({ name, exit_code }) => [name, exit_code])).toContainEqual(['teardown', 0]);
    expect(await sessions.site.log('two', 'inventory')).toContain('answers over SSH after');
    expect(await sessions.site.log('two', 'teardown')).toContain('was packaged as');
  });

  test('are completed by another workflow if the first is terminated', async () => {
    sessions.images.hold('mksquashfs');
    await sessions.submit('ended', [image]);
    await whenStatus(sessions, 'packaging_artifacts');
    const client = await sessions.site.temporalClient();
    const { job } = (await sessions.site.find('ended')).status.session;
    await client.workflow.getHandle(job ?? '').terminate('by hand');
    sessions.images.letGo('mksquashfs');
    await expectOneResult('ended');
  });

  test('make no image if a layer fails, and name the task', async () => {
    const bad = sessions.site.layer({
      'site.yml': renderPlay('compute', 'name: fails\nraw: exit 3'),
    });
    await sessions.submit(
      'bad',
      [image],
      [sessions.site.layer({ 'site.yml': writesLine('a') }), bad],
    );
    expect(await expectNoResult('bad', 'TASK_FAILED')).toMatchObject({
      host: image,
      task: 'fails',
    });
    expect(await sessions.site.log('bad', 'teardown')).toContain('told to discard');
  });

  test('go on with the same image when the layer that failed was corrected in its hold', async () => {
    const { site } = sessions;
    const bad = site.layer({ 'site.yml': renderPlay('compute', 'name: fails\nraw: exit 3') });
    await sessions.submit(
      'mended',
      [image],
      [site.layer({ 'site.yml': writesLine('first') }), bad],
    );
    expect((await site.ask('POST', '/v3/sessions/mended/hold')).status).toBe(202);
    const { job } = await waitFor(
      async () => {
        const { session } = (await site.find('mended')).status;
        return session.held_until === null ? undefined : session;
      },
      { what: 'the hold' },
    );
    const playbook = join(
      ...[site.directory, 'data', 'jobs', job ?? '', 'workspace', 'layer1', 'site.yml'],
    );
    writeFileSync(playbook, writesLine('second'));
    const body = { rerun: true };
    expect((await site.ask('POST', '/v3/sessions/mended/release', body)).status).toBe(202);
    await expectOneResult('mended');
    expect((await site.find('mended')).status.session.message).toMatch(
      /: ansible-1 \(site\.yml\)\./,
    );
  });

  test('say that an image does not exist, and make nothing', async () => {
    await sessions.submit('unknown', ['5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a']);
    const { message, phase } = await expectNoResult('unknown', 'IMAGE_NOT_FOUND');
    expect([message, phase]).toEqual([expect.stringContaining('5c1a4a0e-'), 'inventory']);
  });

  test('say which image could not be packaged', async () => {
    sessions.images.hold('mksquashfs');
    await sessions.submit('unpacked', [image]);
    await whenStatus(sessions, 'packaging_artifacts');
    sessions.images.fail('mksquashfs');
    const { message, phase } = await expectNoResult('unpacked', 'IMAGE_PACKAGE');
    expect(phase).toBe('teardown');
    expect(message).toMatch(new RegExp(`${image}: IMS job .*: mksquashfs failed`));
  });

  test('can be cancelled while the image is fetched', async () => {
    sessions.images.hold('unsquashfs');
    await sessions.submit('c-fetch', [image]);
    await whenStatus(sessions, 'fetching_image');
    await sessions.site.ask('POST', '/v3/sessions/c-fetch/cancel', { reason: 'no' });
    await expectNoResult('c-fetch', 'CANCELLED');
  });

  test('can be cancelled while a playbook runs in the image', async () => {
    await sessions.submit('c-run', [image], endless());
    await sessions.site.whenPhase('c-run', 'ansible-0');
    await sessions.site.ask('DELETE', '/v3/sessions/c-run');
    await waitFor(async () => (await sessions.jobs()).length === 0, {
      what: 'no job',
    });
    expect(await newlyMade()).toEqual([]);
  });

  test('cannot be cancelled once packaging has begun', async () => {
    sessions.images.hold('mksquashfs');
    await sessions.submit('c-late', [image]);
    await whenStatus(sessions, 'packaging_artifacts');
    const { status } = await sessions.site.ask('POST', '/v3/sessions/c-late/cancel');
    expect(status).toBe(409);
    const client = await sessions.site.temporalClient();
    const { job } = (await sessions.site.find('c-late')).status.session;
    await client.workflow.getHandle(job ?? '').signal('cancel', { reason: 'by signal' });
    sessions.images.letGo('mksquashfs');
    await expectOneResult('c-late');
  });

  test('survive the death of the worker while one image is fetched and another packaged', async () => {
    sessions.images.hold('mksquashfs');
    await sessions.submit('k-pack', [image]);
    await whenStatus(sessions, 'packaging_artifacts');
    sessions.images.hold('unsquashfs');
    await sessions.submit('k-fetch', [image]);
    await whenStatus(sessions, 'fetching_image');
    await sessions.restartWorker();
    sessions.images.letGo('unsquashfs');
    sessions.images.letGo('mksquashfs');
    const names = ['k-pack', 'k-fetch'];
    const ends = await Promise.all(names.map((name) => sessions.site.waitUntilComplete(name)));
    expect(ends.map(({ status }) => status.session.succeeded)).toEqual(['true', 'true']);
    await sessions.whenOver('k-pack');
    const artifacts = (await Promise.all(names.map((name) => sessions.artifacts(name)))).flat();
    expect([...(await newlyMade())].sort()).toEqual(
      artifacts.map(({ result_id }) => result_id).sort(),
    );
    for (const { result_id } of artifacts)
      expect(sessions.read(result_id, 'root/lines')).toBe(toLines(image));
  });

  /** Two layers. The first ends when the file `gate` exists. */
  const held = (gate: string) => [
    sessions.site.layer({
      'site.yml': renderPlay(
        'compute',
        'raw: echo "first {{ inventory_hostname }}" >> /root/lines',
        `wait_for:\n  path: ${gate}\n  timeout: 600\ndelegate_to: localhost\nconnection: local`,
      ),
    }),
    sessions.site.layer({ 'site.yml': writesLine('second') }),
  ];

  test('are completed by the next worker if none runs at their teardown', async () => {
    const gate = join(sessions.images.directory, 'absent');
    await sessions.submit('absent', [image], held(gate));
    await sessions.site.whenPhase('absent', 'ansible-0');
    const { job } = (await sessions.site.find('absent')).status.session;
    await sessions.site.worker.kill();
    writeFileSync(gate, '');
    await waitFor(() => findProcesses({ marks: [`KEELSON_JOB=${job ?? ''}`] }).length === 0, {
      what: 'the job to be over',
    });
    await sessions.site.worker.start();
    await expectOneResult('absent');
  });

  test('wait for an image service that is away at their teardown, and log it', async () => {
    const gate = join(sessions.images.directory, 'away');
    await sessions.submit('away', [image], held(gate));
    await sessions.site.whenPhase('away', 'ansible-0');
    sessions.proxy.refuse();
    writeFileSync(gate, '');
    await waitFor(
      async () => (await sessions.site.log('away', 'teardown')).includes(sessions.proxy.url),
      { what: 'a line that tells who does not answer' },
    );
    sessions.proxy.answer();
    await expectOneResult('away');
  });

  const outages = [
    ['unsquashfs', 'fetching_image'],
    ['mksquashfs', 'packaging_artifacts'],
  ] as const;
  for (const [tool, status] of isWhole ? outages : [])
    test(`make one image if the image service is unreachable for a minute during ${status}`, async () => {
      const name = `away-${tool}`;
      sessions.images.hold(tool);
      await sessions.submit(name, [image]);
      await whenStatus(sessions, status);
      sessions.proxy.refuse();
      // The image service continues meanwhile, but nobody can reach it.
      sessions.images.letGo(tool);
      await pause(OUTAGE_MS);
      expect((await sessions.site.find(name)).status.session.status).toBe('running');
      sessions.proxy.answer();
      await expectOneResult(name);
    }, 240_000);

  test('make one image if the answer to every call is lost after it took effect', async () => {
    const lost = CALLS.map((call) => sessions.proxy.strike(call, 'after', () => Promise.resolve()));
    await sessions.submit('lost', [image]);
    await Promise.all(lost);
    await expectOneResult('lost');
  });

  const kills = isWhole
    ? CALLS.flatMap((call) => MOMENTS.map((moment) => [moment, call] as const))
    : ([['after', 'POST jobs']] as const);
  test.each(kills)('make one image if the worker is killed %s %s', async (moment, call) => {
    const struck = sessions.proxy.strike(call, moment, () => sessions.site.worker.kill());
    const name = `kill-${moment}-${call
      .toLowerCase()
      .replace('/…', '-one')
      .replaceAll(/[^a-z-]/g, '')}`;
    await sessions.submit(name, [image]);
    await struck;
    await sessions.site.worker.start();
    await expectOneResult(name);
  });
});
