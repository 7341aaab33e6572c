import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ImageDependencies } from '../../src/activities/dependencies.js';
import { discardImages } from '../../src/activities/discard.js';
import type { ImageShell } from '../../src/clients/interfaces.js';
import { createImsClient } from '../../src/clients/ims.js';
import { ServiceError } from '../../src/core/errors.js';
import { toMessage } from '../../src/core/message.js';
import { planJob } from '../../src/core/plan.js';
import { toImageKey } from '../../src/process/image-key.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { startIms, type ImsStandIn } from '../support/ims-stand-in.js';
import { aSnapshot } from '../support/session-builders.js';
import { aNewSession, at, readAll } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

const ONE = '11111111-1111-4111-8111-111111111111';
const TWO = '22222222-2222-4222-8222-222222222222';
const JOB = 'cfs-a-0123abcd';
const CONTAINER = `${JOB}.d0`;

let ims: ImsStandIn;
let site: ActivitySite;
let images: ImageDependencies;
/** Commands that were run in images, and how IMS reacts to them. */
let commands: string[];
let onCommand: (command: string, host: string) => unknown;

const shell: ImageShell = {
  run: ({ host }, _key, command) => {
    onCommand(command, host);
    commands.push(command);
    return Promise.resolve();
  },
};

beforeEach(async () => {
  ims = await startIms();
  commands = [];
  onCommand = () => undefined;
  for (const [id, name] of [
    [ONE, 'compute'],
    [TWO, 'login'],
  ] as const)
    ims.images.set(id, { id, name, link: null });
  images = {
    client: createImsClient({ url: ims.url, timeoutSeconds: 10 }),
    shell,
    toKey: (jobId) => toImageKey(Buffer.alloc(32, 1), jobId),
    deploymentId: 'd0',
  };
  site = await openActivitySite({ images });
});
afterEach(async () => {
  await site.close();
  await ims.close();
});

async function useVersion3(): Promise<void> {
  await ims.close();
  ims = await startIms('/v3');
  for (const id of [ONE, TWO]) ims.images.set(id, { id, name: `image-${id}`, link: null });
  Object.assign(images, { client: createImsClient({ url: ims.url, timeoutSeconds: 10 }) });
}

async function insert(members: readonly string[], more: object = {}): Promise<void> {
  const target = { definition: 'image', groups: [{ name: 'compute', members }], ...more } as const;
  await site.store.sessions.insert(aNewSession('a', { target }));
  await site.store.sessions.claim(JOB, { at: at(1) });
  await site.store.sessions.saveSnapshot(JOB, aSnapshot());
  await site.store.phases.savePlan(JOB, [
    { name: 'inventory', kind: 'inventory', title: 'inventory: image' },
    { name: 'teardown', kind: 'teardown', title: 'teardown: image' },
  ]);
}

const { stringify } = JSON;
const stage = () => site.run(site.activities.stageImages, { jobId: JOB });
const teardown = (carried?: object) =>
  site.run(site.activities.teardown, { jobId: JOB, phase: 'teardown' }, carried);
/** What an attempt carries that has used up its limit except for this. */
const allBut3Seconds = (limit: 'imagePrepareSeconds' | 'imagePackageSeconds') => ({
  usedMs: (aSnapshot().limits[limit] - 3) * 1000,
});
const discard = () => site.run(site.activities.discardImages, { jobId: JOB });
/** The database is set back to before anything was noted. */
async function loseNotes(): Promise<void> {
  for (const { kind, key } of await site.store.resources.list(JOB))
    await site.store.resources.remove(JOB, kind, key);
}
const logOf = (phase: string) => readAll(site.store.logs.read(JOB, phase, 0));
const jobs = () => [...ims.jobs.values()];
const jobOf = (imageId: string) => jobs().find((job) => job['artifact_id'] === imageId) ?? {};
const set = (imageId: string, changes: object) => Object.assign(jobOf(imageId), changes);
const session = async () => {
  const found = await site.store.sessions.get(JOB);
  if (found === undefined) throw new Error(`no session ${JOB}`);
  return found;
};

/** Like IMS: once told to package, it does so, and names the result before the job is done. */
function packageWhenTold(results: Readonly<Record<string, string>>): void {
  onCommand = (command, host) => {
    const [imageId] = Object.keys(results).filter((id) => stringify(jobOf(id)).includes(host));
    if (imageId === undefined) return;
    if (command === 'touch /tmp/complete')
      set(imageId, { status: 'packaging_artifacts', resultant_image_id: results[imageId] });
    if (command === 'touch /tmp/failed') set(imageId, { status: 'error' });
  };
}

describe('stageImages', () => {
  test('makes one job for each image, and leaves no key behind', async () => {
    await insert([ONE, TWO, ONE.toUpperCase()]);
    expect(await stage()).toEqual({ staged: true, imageIds: [ONE, TWO] });
    expect(jobs()).toMatchObject([
      { artifact_id: ONE, image_root_archive_name: 'compute_cfs_a' },
      { artifact_id: TWO, image_root_archive_name: 'login_cfs_a' },
    ]);
    expect(jobs()[0]).toMatchObject({
      job_type: 'customize',
      ssh_containers: [{ name: CONTAINER, jail: true }],
    });
    expect(jobs()[0]).not.toHaveProperty('require_dkms');
    expect(ims.keys.size).toBe(0);
    expect(await session()).toMatchObject({ state: 'running', imsJob: jobOf(ONE)['id'] });
    expect(await logOf('inventory')).toContain(`Image ${ONE} (compute): IMS job`);
  });

  test.each([
    ['must not have a slash', 'site/compute'],
    ['has at most 250 bytes', `compute${'_cfs_and-again'.repeat(18)}`],
  ])('makes nothing where the name of a new image %s', async (fault, name) => {
    ims.images.set(ONE, { id: ONE, name, link: null });
    await insert([TWO, ONE]);
    const message = `Image ${ONE}: give the new image a name in image_map. The name of an image ${fault}, and it would be called "${name}_cfs_a".`;
    await expect(stage()).rejects.toMatchObject({ reason: 'IMAGE_PREPARE', message });
    // The record cuts a long message. What to do stays.
    expect(toMessage(message)).toContain('image_map');
    expect(ims.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  test('makes nothing twice when it is repeated', async () => {
    await insert([ONE]);
    await stage();
    await stage();
    expect(ims.jobs.size).toBe(1);
    expect(ims.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
  });

  test.each(['POST public-keys', 'POST jobs', 'GET jobs', 'DELETE public-keys'])(
    'goes on where the answer to %s was lost after it took effect',
    async (request) => {
      await insert([ONE, TWO]);
      ims.disturb(request, 'lost');
      await expect(stage()).rejects.toMatchObject({ type: 'unavailable' });
      expect((await session()).waiting).toMatchObject({
        message: expect.stringMatching(/^Waiting: .*ECONNRESET.*image_prepare_time_limit/),
        phase: 'inventory',
      });
      await stage();
      expect((await session()).waiting).toBeUndefined();
      expect(ims.jobs.size).toBe(2);
      expect(ims.keys.size).toBe(0);
    },
  );

  test('has IMS open four images at once', async () => {
    const ids = Array.from({ length: 6 }, (_, index) => ONE.replace(/^./, String(index + 2)));
    for (const id of ids) ims.images.set(id, { id, name: `image-${id}`, link: null });
    await insert(ids);
    const client = { ...images.client };
    const open = { now: 0, most: 0 };
    images.client.ensureJob = async (...given) => {
      open.most = Math.max(open.most, ++open.now);
      return client.ensureJob(...given).finally(() => (open.now -= 1));
    };
    await stage();
    expect([open.most, ims.jobs.size]).toEqual([4, 6]);
  });

  test('goes on, and says so, where a key may not be removed for good', async () => {
    await useVersion3();
    await insert([ONE]);
    ims.disturb('DELETE deleted/public-keys', 'forbidden', 'forbidden');
    expect(await stage()).toMatchObject({ staged: true });
    const refusal = `Key cfs_a_${JOB}_d0 stays among the deleted keys of IMS: The image management service`;
    expect(await logOf('inventory')).toContain(`WARNING: ${refusal}`);
    // The end of the session names it as left behind, once.
    const undo = () => site.run(site.activities.removeImageKey, { jobId: JOB });
    await expect(undo()).rejects.toMatchObject({
      ...{ fault: 'rejected', message: expect.stringContaining(refusal) },
    });
    await undo();
    expect([ims.keys.size, ims.deleted['public-keys'].size]).toEqual([0, 1]);
  });

  test('asks for DKMS where any layer of the configuration wants it', async () => {
    const target = { definition: 'image', groups: [{ name: 'g', members: [ONE] }] } as const;
    await site.store.sessions.insert(aNewSession('a', { target }));
    await site.store.sessions.saveSnapshot(JOB, aSnapshot({ requireDkms: true }));
    await site.store.phases.savePlan(JOB, [
      { name: 'inventory', kind: 'inventory', title: 'inventory: image' },
    ]);
    await stage();
    expect(jobOf(ONE)).toMatchObject({ require_dkms: true });
  });

  test('makes nothing for an image that is not there, and says which', async () => {
    const gone = '33333333-3333-4333-8333-333333333333';
    await insert([ONE, gone]);
    await expect(stage()).rejects.toMatchObject({
      reason: 'IMAGE_NOT_FOUND',
      message: `Image ${gone} is not known to ${ims.url}.`,
    });
    expect([ims.jobs.size, ims.keys.size]).toEqual([0, 0]);
    expect(await logOf('inventory')).toContain(`: Image ${gone} is not known to ${ims.url}.`);
  });

  test('records the IMS job of the first image, even if an earlier attempt made it', async () => {
    await insert([ONE, TWO]);
    ims.disturb('POST jobs', 'pass', 'lost');
    await expect(stage()).rejects.toMatchObject({ type: 'unavailable' });
    await stage();
    expect(await session()).toMatchObject({ imsJob: jobOf(ONE)['id'] });
  });

  test('takes names from image_map, in any spelling of the id, and tells of entries that no group has', async () => {
    const imageMap = [
      { sourceId: `{${ONE.toUpperCase()}}`, resultName: 'mine' },
      { sourceId: TWO, resultName: 'unused' },
    ];
    await insert([ONE], { imageMap });
    await stage();
    expect(jobs()).toMatchObject([{ image_root_archive_name: 'mine' }]);
    expect(await logOf('inventory')).toContain(
      `WARNING: image_map names ${TWO}, which is in no group`,
    );
  });

  test.each(['unauthorized', 'forbidden'] as const)(
    'says at once that its token is %s',
    async (how) => {
      await insert([ONE]);
      ims.disturb('GET images', how);
      await expect(stage()).rejects.toMatchObject({
        fault: 'rejected',
        message: expect.stringMatching(/answered with status 40[13]\.$/),
      });
      expect(ims.requests).toHaveLength(1);
    },
  );

  test('does nothing, like the wait for each image, if the workflow was reset to before the launch', async () => {
    await insert([ONE]);
    await stage();
    await site.store.sessions.recordLaunch(JOB, { at: at(2), incarnation: 'i' });
    expect(await stage()).toEqual({ staged: true, imageIds: [ONE] });
    ims.jobs.clear();
    await site.run(site.activities.awaitImage, { jobId: JOB, imageId: ONE });
    expect(jobs()).toEqual([]);
  });

  test('makes nothing for a session that was cancelled', async () => {
    await insert([ONE]);
    await site.store.sessions.requestCancel('a', { at: at(2) });
    expect(await stage()).toMatchObject({ staged: false });
    expect(ims.requests).toEqual([]);
  });
});

describe('awaitImage', () => {
  const awaitImage = (carried?: object) =>
    site.run(site.activities.awaitImage, { jobId: JOB, imageId: ONE }, carried);

  test('waits until the image can be entered, and tells what it waits for', async () => {
    await insert([ONE]);
    await stage();
    let refusals = 2;
    onCommand = () => {
      refusals -= 1;
      if (refusals >= 0)
        throw new ServiceError('unavailable', 'refused.', { reason: 'IMAGE_PREPARE' });
    };
    await loseNotes();
    const done = awaitImage();
    await waitFor(async () => (await logOf('inventory')).includes('is creating.'), {
      what: 'a line that tells the status',
    });
    await waitFor(async () => (await session()).waiting?.message.includes('is creating.'), {
      what: 'the record to tell it',
    });
    // A status that only a newer IMS has.
    set(ONE, { status: 'checking image' });
    await waitFor(async () => (await logOf('inventory')).includes('is checking image.'), {
      what: 'a line that tells the unknown status',
    });
    set(ONE, { status: 'waiting_on_user' });
    await done;
    expect((await session()).waiting).toBeUndefined();
    expect(commands).toEqual(['true']);
    expect(await logOf('inventory')).toMatch(/refused\.\n.*answers over SSH after \d+ s\.\n$/);
  });

  test('goes on where IMS refuses the token for a while, and says so', async () => {
    await insert([ONE]);
    await stage();
    set(ONE, { status: 'waiting_on_user' });
    ims.disturb('GET jobs', 'unauthorized', 'forbidden');
    await awaitImage();
    expect(await logOf('inventory')).toMatch(
      /status 401; trying again, in case the token.*\n.*status 403; trying again.*\n.*answers over SSH/,
    );
  });

  test.each([
    [{ status: 'error' }, '; see the log of IMS.'],
    [{ status: 'error', message: 'The root is damaged.' }, ': The root is damaged.'],
    [{ status: 'success' }, '; see the log of IMS.'],
  ])('gives up where IMS has ended with %j, and says why', async (ended, why) => {
    await insert([ONE]);
    await stage();
    set(ONE, ended);
    const end = `ended with status ${ended.status} before its image could be used${why}`;
    await expect(awaitImage()).rejects.toMatchObject({
      reason: 'IMAGE_PREPARE',
      message: `Image ${ONE}: IMS job ${String(jobOf(ONE)['id'])} ${end}`,
    });
  });

  test('gives up after its limit, with the last that IMS said', async () => {
    await insert([ONE]);
    await stage();
    set(ONE, { status: 'fetching_image' });
    await expect(awaitImage(allBut3Seconds('imagePrepareSeconds'))).rejects.toMatchObject({
      reason: 'IMAGE_PREPARE',
      message: expect.stringMatching(
        /within \d+ s \(image_prepare_time_limit\)\. Image \S+: IMS job \S+ is fetching_image\.$/,
      ),
    });
  });
});

test('stageInventory makes each image a host that Ansible enters as root with the session’s key', async () => {
  await insert([ONE]);
  await stage();
  await site.run(site.activities.stageInventory, { jobId: JOB });
  const { inventory } = await site.store.stagedFiles.read(JOB);
  const { gunzipSync } = await import('node:zlib');
  const { host, port } = { host: expect.stringContaining('cray-ims-') as unknown, port: 22 };
  expect(JSON.parse(gunzipSync(inventory ?? '').toString())).toEqual({
    cfs_image: {
      hosts: {
        [ONE]: {
          ansible_host: host,
          ansible_port: port,
          ansible_python_interpreter: '/usr/bin/env python3',
          ansible_ssh_private_key_file: '{{ ansible_config_file | dirname }}/ssh/id_image',
          cray_cfs_image: true,
        },
      },
    },
    compute: { hosts: { [ONE]: {} } },
  });
});

describe('teardown', () => {
  const ready = async (members: readonly string[]) => {
    await insert(members);
    await stage();
    for (const id of members) set(id, { status: 'waiting_on_user' });
  };

  test('has each image packaged, records what was made once, and leaves no job', async () => {
    await ready([ONE, TWO]);
    packageWhenTold({ [ONE]: 'r1', [TWO]: 'r2' });
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode: 0 } });
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode: 0 } });
    expect(commands).toEqual(['touch /tmp/complete', 'touch /tmp/complete']);
    const { artifacts, teardownAt } = await session();
    expect(teardownAt).toBeDefined();
    expect([...artifacts].sort((left, right) => left.imageId.localeCompare(right.imageId))).toEqual(
      [
        { imageId: ONE, resultId: 'r1', type: 'ims_customized_image' },
        { imageId: TWO, resultId: 'r2', type: 'ims_customized_image' },
      ],
    );
    await discard();
    expect(ims.jobs.size).toBe(0);
    expect(ims.requests.filter(({ path }) => path.startsWith('/images/r'))).toEqual([]);
    expect(await site.store.resources.list(JOB)).toMatchObject([{ kind: 'ims-key' }]);
  });

  test.each([
    ['packages what IMS has under the name of the session', 0, ['r1'], ''],
    ['fails if IMS has nothing either', 1, [], `ERROR image ${ONE}: its IMS job is gone.\n`],
  ])('%s, if the record has lost its notes', async (_, exitCode, results, log) => {
    await ready([ONE]);
    packageWhenTold({ [ONE]: 'r1' });
    await loseNotes();
    if (exitCode !== 0) ims.jobs.clear();
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode } });
    expect((await session()).artifacts.map(({ resultId }) => resultId)).toEqual(results);
    expect(await logOf('teardown')).toContain(log);
    await discard();
    expect(ims.jobs.size).toBe(0);
  });

  test('keeps the images if the record has lost that they were made, until it knows of them again', async () => {
    await ready([ONE]);
    set(ONE, { status: 'success', resultant_image_id: 'r1' });
    const undo = () =>
      site.run(site.activities.discardImages, { jobId: JOB, hasTeardownEnded: true as const });
    await undo();
    expect(ims.jobs.size).toBe(1);
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode: 0 } });
    await undo();
    expect(ims.jobs.size).toBe(0);
    expect(ims.requests.filter(({ path }) => path.startsWith('/images/r'))).toEqual([]);
    expect((await session()).artifacts).toMatchObject([{ imageId: ONE, resultId: 'r1' }]);
  });

  test('says that the plan is lost', async () => {
    const target = { definition: 'image', groups: [] } as const;
    await site.store.sessions.insert(aNewSession('a', { target }));
    await expect(teardown()).rejects.toMatchObject({ isSetBack: true });
  });

  test('goes on where IMS refuses the token for a while, also once it is over', async () => {
    await ready([ONE]);
    packageWhenTold({ [ONE]: 'r1' });
    ims.disturb('GET jobs', 'unauthorized', 'pass', 'forbidden');
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode: 0 } });
    expect(await logOf('teardown')).toMatch(
      /status 401; trying again, in case the token(.*\n)+.*status 403(.*\n)+.*packaged as r1/,
    );
    ims.disturb('DELETE jobs', 'unauthorized');
    await expect(discard()).rejects.toMatchObject({ fault: 'unavailable' });
    await discard();
    expect(ims.jobs.size).toBe(0);
    expect((await session()).artifacts).toMatchObject([{ imageId: ONE, resultId: 'r1' }]);
  });

  test('takes the end of another attempt that lives still and was quicker', async () => {
    await ready([ONE]);
    onCommand = () => set(ONE, { status: 'packaging_artifacts' });
    const slow = teardown();
    await waitFor(() => commands.includes('touch /tmp/complete'), { what: 'the image is told' });
    const times = { startedAt: at(3), endedAt: at(4) };
    const end = { kind: 'exited', exitCode: 0, ...times } as const;
    await site.store.phases.seal(JOB, 'teardown', end, at(4));
    set(ONE, { resultant_image_id: 'r1' });
    expect(await slow).toMatchObject({ result: end });
  });

  test('packages the image that was opened, not the one of an attempt that came late', async () => {
    await ready([ONE]);
    const first = jobOf(ONE);
    const address = { 'cluster.local': { host: 'late', port: 22 } };
    const containers = [{ name: CONTAINER, connection_info: address }];
    ims.jobs.set('late', { ...first, id: 'late', ssh_containers: containers });
    await site.store.resources.note(JOB, 'ims-job', `${ONE}/late`);
    onCommand = (command, host) => {
      const job = host === 'late' ? (ims.jobs.get('late') ?? {}) : first;
      if (command === 'touch /tmp/failed') job['status'] = 'error';
      else
        Object.assign(job, {
          status: 'success',
          resultant_image_id: host === 'late' ? 'untouched' : 'r1',
        });
    };
    expect(await teardown()).toMatchObject({ result: { exitCode: 0 } });
    expect((await session()).artifacts).toMatchObject([{ imageId: ONE, resultId: 'r1' }]);
    await discard();
    expect(commands).toEqual(['touch /tmp/complete', 'touch /tmp/failed']);
    expect(ims.jobs.size).toBe(0);
  });

  test('is too late for a cancel, which is recorded and ignored', async () => {
    await ready([ONE]);
    onCommand = () => set(ONE, { status: 'packaging_artifacts' });
    const done = teardown();
    await waitFor(() => commands.includes('touch /tmp/complete'), { what: 'the image is told' });
    await expect(site.store.sessions.requestCancel('a', { at: at(3) })).rejects.toMatchObject({
      fault: 'conflict',
    });
    await site.store.sessions.noteCancel(JOB, { at: at(3), by: 'Temporal', reason: 'late' });
    set(ONE, { resultant_image_id: 'r1' });
    expect(await done).toMatchObject({ result: { kind: 'exited', exitCode: 0 } });
    expect(await session()).toMatchObject({ desired: 'run', cancelReason: 'late' });
  });

  test('discards where a cancel came first', async () => {
    await ready([ONE]);
    await site.store.sessions.requestCancel('a', { at: at(2) });
    packageWhenTold({ [ONE]: 'r1' });
    expect(await teardown()).toMatchObject({ result: { kind: 'killed', reason: 'stopped' } });
    expect(commands).toEqual(['touch /tmp/failed']);
    expect(ims.jobs.size).toBe(0);
    expect((await session()).artifacts).toEqual([]);
  });

  test('where a cancel came first, leaves it to the undo to tell what may not be removed for good', async () => {
    await useVersion3();
    await ready([ONE]);
    await site.store.sessions.requestCancel('a', { at: at(2) });
    ims.images.set('r9', { id: 'r9', name: 'late' });
    set(ONE, { status: 'success', resultant_image_id: 'r9' });
    ims.disturb('DELETE deleted/images', 'forbidden', 'forbidden');
    expect(await teardown()).toMatchObject({ result: { kind: 'killed', reason: 'stopped' } });
    expect(await logOf('teardown')).toContain('WARNING: Image r9 stays');
    await expect(discard()).rejects.toMatchObject({
      message: expect.stringContaining('Image r9 stays'),
    });
    expect(ims.jobs.size).toBe(0);
    // Its own undo removes that.
    expect(await site.store.resources.list(JOB)).toMatchObject([{ kind: 'ims-key' }]);
  });

  test('names what failed and what was packaged, and keeps that', async () => {
    await ready([ONE, TWO]);
    packageWhenTold({ [ONE]: 'r1' });
    const package_ = onCommand;
    onCommand = (command, host) => {
      const message = 'mksquashfs failed (1):\nthe disk is full.';
      if (stringify(jobOf(TWO)).includes(host)) set(TWO, { status: 'error', message });
      else package_(command, host);
    };
    expect(await teardown()).toMatchObject({ result: { kind: 'exited', exitCode: 1 } });
    expect(await logOf('teardown')).toMatch(
      new RegExp(
        `ERROR image ${TWO}: IMS job .* ended with status error and no image: mksquashfs failed \\(1\\): the disk is full\\. Packaged: ${ONE} as r1\\.`,
      ),
    );
    await discard();
    expect((await session()).artifacts).toMatchObject([{ imageId: ONE, resultId: 'r1' }]);
    expect(ims.jobs.size).toBe(0);
  });
});

describe('packaging that takes longer than its limit', () => {
  test('fails the session, and an image that is made after all is removed', async () => {
    await insert([ONE]);
    await stage();
    // An earlier attempt told it.
    set(ONE, { status: 'packaging_artifacts' });
    expect(await teardown(allBut3Seconds('imagePackageSeconds'))).toMatchObject({
      result: { kind: 'exited', exitCode: 1 },
    });
    expect(await logOf('teardown')).toMatch(
      /ERROR The images could not be packaged within \d+ s \(image_package_time_limit\)\. Image \S+: IMS job \S+ is packaging_artifacts\./,
    );
    ims.images.set('r9', { id: 'r9', name: 'late' });
    const done = discard();
    const asked = ims.requests.length;
    await waitFor(() => ims.requests.length > asked + 2, { what: 'the job to be asked after' });
    expect(ims.jobs.size).toBe(1);
    set(ONE, { status: 'packaging_artifacts', resultant_image_id: 'r9' });
    await done;
    expect([ims.jobs.size, ims.images.has('r9')]).toEqual([0, false]);
    expect((await session()).artifacts).toEqual([]);
  });
});

describe('discardImages', () => {
  test('tells an open image to fail, removes its job, and says so in the log of teardown', async () => {
    await insert([ONE]);
    await stage();
    set(ONE, { status: 'waiting_on_user' });
    await discard();
    expect(commands).toEqual(['touch /tmp/failed']);
    expect(ims.jobs.size).toBe(0);
    expect(await logOf('teardown')).toContain('is removed, nothing was made.');
    expect(await site.store.phases.find(JOB, 'teardown')).toMatchObject({
      result: { exitCode: 0 },
    });
  });

  test('does not make the session succeed, even if its playbooks did', async () => {
    const { sessions, phases } = site.store;
    const groups = [{ name: 'compute', members: [ONE] }];
    await sessions.insert(aNewSession('a', { target: { definition: 'image', groups } }));
    await sessions.saveSnapshot(JOB, aSnapshot());
    const names = planJob(await session(), aSnapshot()).phases.map(({ name }) => name);
    await phases.savePlan(JOB, [
      ...names.map((name) => ({ name, kind: 'ansible', title: name }) as const),
      { name: 'teardown', kind: 'teardown', title: 'teardown: image' },
    ]);
    await stage();
    await sessions.recordLaunch(JOB, { at: at(1), incarnation: 'i' });
    const result = { kind: 'exited', exitCode: 0, startedAt: at(1), endedAt: at(2) } as const;
    for (const name of names)
      await phases.report(JOB, name, { state: 'ended', startedAt: at(1), result });
    await discard();
    const failure = { reason: 'JOB_LOST', message: 'm1 is gone.' } as const;
    const input = { jobId: JOB, failure, leftovers: [] };
    expect(await site.run(site.activities.recordOutcome, input)).toMatchObject({
      ...{ succeeded: 'unknown', reason: 'JOB_LOST', message: expect.stringContaining('m1') },
    });
  });

  test('finds what was made although the answer of IMS was lost', async () => {
    await insert([ONE]);
    ims.disturb('POST jobs', 'lost');
    await expect(stage()).rejects.toMatchObject({ type: 'unavailable' });
    expect(ims.jobs.size).toBe(1);
    await discard();
    await site.run(site.activities.removeImageKey, { jobId: JOB });
    expect([ims.jobs.size, ims.keys.size]).toEqual([0, 0]);
    expect(await site.store.resources.list(JOB)).toEqual([]);
  });

  test('waits for the end of one that is being packaged, and removes what it made', async () => {
    await insert([ONE]);
    await stage();
    set(ONE, { status: 'packaging_artifacts' });
    ims.images.set('r9', { id: 'r9', name: 'late' });
    const done = discard();
    await waitFor(async () => (await logOf('teardown')).includes('waiting for its end'), {
      what: 'a line that tells the wait',
    });
    expect(ims.jobs.size).toBe(1);
    set(ONE, { status: 'success', resultant_image_id: 'r9' });
    await done;
    expect([ims.jobs.size, ims.images.has('r9'), ims.images.has(ONE)]).toEqual([0, false, true]);
  });

  test('goes on, and says so once, where images may not be removed for good', async () => {
    await useVersion3();
    await insert([ONE, TWO]);
    await stage();
    for (const [imageId, result] of [
      [ONE, 'r8'],
      [TWO, 'r9'],
    ] as const) {
      ims.images.set(result, { id: result, name: 'late' });
      set(imageId, { status: 'success', resultant_image_id: result });
    }
    ims.disturb('DELETE deleted/images', 'forbidden', 'forbidden');
    const refusal = (id: string) => `Image ${id} stays among the deleted images of IMS: The image`;
    await expect(discard()).rejects.toMatchObject({
      fault: 'rejected',
      message: expect.stringMatching(new RegExp(`${refusal('r8')}.* ${refusal('r9')}`)),
    });
    expect(await logOf('teardown')).toContain(`WARNING: ${refusal('r9')}`);
    expect(await site.store.phases.find(JOB, 'teardown')).toHaveProperty('result');
    await discard();
    expect([ims.jobs.size, ims.images.has('r9'), ims.deleted.images.size]).toEqual([0, false, 2]);
  });

  test.each([
    ['packaging_artifacts', 1],
    ['uploading_artifacts', 1],
    ['waiting_on_user', 0],
  ])('without patience, of one that is %s leaves %i', async (status, left) => {
    await insert([ONE]);
    await stage();
    await site.store.sessions.recordLaunch(JOB, { at: at(2), incarnation: 'i' });
    await site.store.sessions.recordTeardown(JOB, at(3));
    set(ONE, { status });
    const { store } = site;
    const { signal } = new AbortController();
    const done = discardImages({ store, images }, await session(), signal, { patienceMs: 0 });
    await done.catch((error: unknown) =>
      expect(error).toMatchObject({ message: expect.stringMatching(` is still ${status}\\.$`) }),
    );
    expect(ims.jobs.size).toBe(left);
  });

  test('does nothing for a session that made nothing', async () => {
    await insert([ONE]);
    await discard();
    expect(ims.requests).toEqual([]);
    expect(await site.store.phases.find(JOB, 'teardown')).not.toHaveProperty('result');
  });
});
