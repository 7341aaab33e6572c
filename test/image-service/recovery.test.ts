import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import { waitFor } from '../support/wait.js';
import {
  createImageSite,
  createTree,
  describeImages,
  type ImageSite,
  type JobBody,
} from './image-site.js';

describeImages('a job', () => {
  let site: ImageSite;
  let image: string;
  beforeAll(async () => {
    site = createImageSite();
    image = await site.add(createTree(site.directory));
    await site.start();
  });
  afterEach(async () => {
    letGo();
    await site.ask('DELETE', '/jobs');
  });
  afterAll(() => site.close());

  const list = (folder: string) => readdirSync(join(site.data, folder)).sort();
  const complete = async (job: JobBody) => {
    expect((await site.ssh(job, 'echo made > /etc/made; touch /tmp/complete')).code).toBe(0);
  };
  const expectNothing = async (jobId: string) => {
    expect(await site.findTraces(jobId)).toEqual([]);
  };
  /** Waits, because what was put aside is removed in the background. */
  const expectNoWork = () =>
    waitFor(() => list('work').length === 0, { what: 'all work to be gone' });
  /** Sets the record back to when the image existed and the work directory was not yet removed. No service runs. */
  const unfinish = ({ id }: JobBody) => {
    const record = join(site.data, 'jobs', `${id}.json`);
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, text.replace('"status":"success"', '"status":"packaging_artifacts"'));
  };
  const letGo = () => {
    site.letGo('unsquashfs');
    site.letGo('mksquashfs');
  };
  const isAtWork = ({ id }: JobBody) =>
    waitFor(async () => (await findJobProcesses(`image-${id}`)).length > 0);

  /** A job in each status that can last. The two that unpack and pack keep the last one waiting for its turn. */
  const bringToEach = async () => {
    const [waiting, packed] = await Promise.all(
      [1, 2].map(async () => site.waitFor(await site.post(image), 'waiting_on_user')),
    );
    if (waiting === undefined || packed === undefined) throw new Error('two were posted');
    site.hold('mksquashfs');
    await complete(packed);
    const packing = await site.waitFor(packed, 'packaging_artifacts');
    await isAtWork(packing);
    site.hold('unsquashfs');
    const fetching = await site.waitFor(await site.post(image), 'fetching_image');
    await isAtWork(fetching);
    const creating = await site.waitFor(await site.post(image), 'creating');
    return { creating, fetching, waiting, packing };
  };

  test('that is deleted leaves nothing, whatever its status', async () => {
    const before = [list('images'), list('boot-images')];
    const jobs = Object.values(await bringToEach());
    for (const { id } of jobs) {
      expect((await site.ask('DELETE', `/v3/jobs/${id}`)).status).toBe(204);
      await expectNothing(id);
      expect((await site.ask('DELETE', `/v3/jobs/${id}`)).status).toBe(404);
    }
    await expectNoWork();
    expect([list('images'), list('boot-images')]).toEqual(before);
  });

  test('that is deleted after its success leaves its image', async () => {
    const waiting = await site.waitFor(await site.post(image), 'waiting_on_user');
    await complete(waiting);
    const { resultant_image_id: result } = await site.waitFor(waiting, 'success');
    expect((await site.ask('DELETE', `/jobs/${waiting.id}`)).status).toBe(204);
    expect((await site.ask('GET', `/images/${result ?? ''}`)).status).toBe(200);
    expect(list('boot-images')).toContain(result);
  });

  test('continues where its service was killed, whatever its status', async () => {
    const { packing, ...others } = await bringToEach();
    await site.kill('SIGKILL');
    letGo();
    await site.start();
    for (const job of Object.values(others)) {
      const waiting = await site.waitFor(job, 'waiting_on_user');
      expect(waiting.ssh_containers).toEqual(job.ssh_containers);
      await complete(waiting);
    }
    for (const job of [...Object.values(others), packing]) {
      const { resultant_image_id: result } = await site.waitFor(job, 'success');
      await expectNothing(job.id);
      const etc = join(site.unpack(result ?? ''), 'etc');
      expect(readFileSync(join(etc, 'made'), 'utf8')).toBe('made\n');
      expect(readFileSync(join(etc, 'resolv.conf'), 'utf8')).toBe('nameserver 192.0.2.1\n');
    }
    const images = (await site.ask('GET', '/images')).body as { id: string }[];
    expect(list('boot-images')).toEqual(images.map(({ id }) => id).sort());
  });

  test('whose service was killed while it removed the root has its image, made once', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    await complete(job);
    const { resultant_image_id: result } = await site.waitFor(job, 'success');
    await site.kill('SIGKILL');
    const toPath = (...names: readonly string[]) => join(site.data, ...names);
    const readFileNumber = () => statSync(toPath('boot-images', result ?? '', 'rootfs')).ino;
    const made = readFileNumber();
    const moments = [
      () => mkdirSync(toPath('work', job.id, 'root', 'half'), { recursive: true }),
      () => mkdirSync(toPath('work', '.removed-1', 'root', 'half'), { recursive: true }),
    ];
    for (const leave of moments) {
      unfinish(job);
      leave();
      await site.start();
      await site.waitFor(job, 'success');
      await expectNoWork();
      expect(readFileNumber()).toBe(made);
      await site.kill('SIGKILL');
    }
    await site.start();
  });

  test('whose image exists succeeds, however long its root cannot be removed', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    await complete(job);
    const { resultant_image_id: result } = await site.waitFor(job, 'success');
    await site.kill('SIGTERM');
    unfinish(job);
    const busy = join(site.data, 'work', job.id);
    mkdirSync(busy);
    execFileSync('mount', ['-t', 'tmpfs', 'busy', busy]);
    try {
      await site.start();
      const isTold = () => site.log().includes('an image job cannot be ended');
      await waitFor(isTold, { what: 'the log to say so' });
    } finally {
      execFileSync('umount', [busy]);
    }
    expect(await site.waitFor(job, 'success')).toMatchObject({ resultant_image_id: result });
    await expectNoWork();
  });

  test('fails and says why, even if the leftovers of another cannot be removed', async () => {
    const stuck = join(site.data, 'work', '.removed-stuck');
    mkdirSync(stuck);
    execFileSync('mount', ['-t', 'tmpfs', 'busy', stuck]);
    try {
      const job = await site.waitFor(await site.post(image), 'waiting_on_user');
      expect((await site.ssh(job, 'touch /tmp/failed')).code).toBe(0);
      const { message } = await site.waitFor(job, 'error');
      expect(message).toBe('The user of the image has said that the job failed.');
      expect(site.log()).toContain('what image jobs have left cannot be removed');
    } finally {
      execFileSync('umount', [stuck]);
    }
    await site.ask('DELETE', '/jobs');
    await expectNoWork();
  });

  test('whose user ends it while no service runs is packaged by the next service', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    await site.kill('SIGTERM');
    await complete(job);
    await site.start();
    await site.waitFor(job, 'success');
    await expectNothing(job.id);
  });

  test('whose /tmp is missing when its service starts waits for its user anyway', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    expect((await site.ssh(job, 'rm -rf /tmp')).code).toBe(0);
    await site.kill('SIGKILL');
    await site.start();
    expect((await site.ssh(job, 'mkdir /tmp')).code).toBe(0);
    await complete(job);
    await site.waitFor(job, 'success');
  });

  test('fails if its environment ends, even while no service runs', async () => {
    for (const isServed of [true, false]) {
      const job = await site.waitFor(await site.post(image), 'waiting_on_user');
      if (!isServed) await site.kill('SIGKILL');
      const [first] = await findJobProcesses(`image-${job.id}`);
      process.kill(first?.pid ?? 0, 'SIGKILL');
      if (!isServed) await site.start();
      const { message } = await site.waitFor(job, 'error');
      expect(message).toBe('The environment of the image has ended by itself.');
      await expectNothing(job.id);
    }
  });

  test('fails even if the space of the disk cannot be read', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    const work = join(site.data, 'work');
    rmSync(work, { recursive: true });
    try {
      const [first] = await findJobProcesses(`image-${job.id}`);
      process.kill(first?.pid ?? 0, 'SIGKILL');
      const { message } = await site.waitFor(job, 'error');
      expect(message).toBe('The environment of the image has ended by itself.');
    } finally {
      mkdirSync(work);
    }
    await expectNothing(job.id);
  });

  test('fails when it is too old, even if no service ran then', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    await site.kill('SIGTERM');
    await site.start({ IMAGE_JOB_MAX_AGE: '1' });
    const { message } = await site.waitFor(job, 'error');
    expect(message).toBe('The job did not end within 1 s.');
    await expectNothing(job.id);
  });
});
