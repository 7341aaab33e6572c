import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  lstatSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { computeMd5 } from '../../src/image-service/bucket.js';
import { waitFor } from '../support/wait.js';
import {
  createImageSite,
  createTree,
  describeImages,
  type ImageSite,
  type JobBody,
} from './image-site.js';

describeImages('a customize job', () => {
  let site: ImageSite;
  let tree: string;
  let image: string;
  beforeAll(async () => {
    site = createImageSite();
    tree = createTree(site.directory);
    writeFileSync(join(tree, 'tmp', 'complete'), 'from before');
    image = await site.add(tree);
    await site.start();
  });
  afterAll(() => site.close());

  const md5 = (id: string) => computeMd5(join(site.data, 'boot-images', id, 'rootfs'));
  const expectNothing = async (jobId: string) => expect(await site.findTraces(jobId)).toEqual([]);

  test('makes a new image from what its user has left, and leaves nothing else', async () => {
    const before = await md5(image);
    const posted = await site.post(image);
    expect(posted).toMatchObject({ status: 'creating', resultant_image_id: null });
    const job = await site.waitFor(posted, 'waiting_on_user');
    expect(job.ssh_containers).toEqual(posted.ssh_containers);

    // Includes a background process, and a replacement of the name servers by rename.
    const did = await site.ssh(
      job,
      'cat /etc/resolv.conf; echo made > /etc/made; echo x > /etc/r; mv /etc/r /etc/resolv.conf; ' +
        'setsid sleep 600 < /dev/null > /dev/null 2>&1 & echo $IMS_JOB_ID; cat /proc/1/comm',
    );
    expect(did.code).toBe(0);
    expect(did.output).toContain(job.id);
    expect(did.output).toContain('sshd');
    expect(did.output).toContain(readFileSync('/etc/resolv.conf', 'utf8'));
    expect((await site.ssh(job, 'touch /tmp/complete')).code).toBe(0);

    const ended = await site.waitFor(job, 'success');
    await expectNothing(job.id);
    const result = ended.resultant_image_id ?? '';
    const { body } = await site.ask('GET', `/v3/images/${result}`);
    expect(body).toMatchObject({
      id: result,
      name: 'compute_cfs_a',
      arch: 'x86_64',
      metadata: {},
      link: { type: 's3', path: `s3://boot-images/${result}/manifest.json` },
    });
    const root = site.unpack(result);
    expect(readFileSync(join(root, 'etc', 'made'), 'utf8')).toBe('made\n');
    expect(readFileSync(join(root, 'etc', 'resolv.conf'), 'utf8')).toBe('nameserver 192.0.2.1\n');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    expect(readdirSync(join(root, 'dev'))).toEqual([]);
    expect(await md5(image)).toBe(before);
    const file = join(site.data, 'boot-images', result, 'manifest.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      version: '1.0',
      created: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
      artifacts: [
        {
          type: 'application/vnd.cray.image.rootfs.squashfs',
          md5: await md5(result),
          link: {
            type: 's3',
            etag: await md5(result),
            path: `s3://boot-images/${result}/rootfs`,
          },
        },
      ],
    });
  });

  test.each([['touch /tmp/failed'], ['touch /tmp/complete /tmp/failed']])(
    'makes nothing after `%s`',
    async (command) => {
      const images = (await site.ask('GET', '/images')).body;
      const job = await site.waitFor(await site.post(image), 'waiting_on_user');
      expect((await site.ssh(job, command)).code).toBe(0);
      const ended = await site.waitFor(job, 'error');
      expect(ended).toMatchObject({
        resultant_image_id: null,
        message: 'The user of the image has said that the job failed.',
      });
      await expectNothing(job.id);
      expect((await site.ask('GET', '/images')).body).toEqual(images);
      expect((await site.ssh(job, 'true')).code).toBe(255);
    },
  );

  test('is independent of another job on the same image', async () => {
    const jobs = await Promise.all([site.post(image), site.post(image)]);
    const [one, two] = await Promise.all(jobs.map((job) => site.waitFor(job, 'waiting_on_user')));
    if (one === undefined || two === undefined) throw new Error('two were posted');
    expect((await site.ssh(one, 'echo one > /etc/which; touch /tmp/complete')).code).toBe(0);
    expect((await site.ssh(two, 'ls /etc/which')).code).not.toBe(0);
    expect((await site.ssh(two, 'touch /tmp/failed')).code).toBe(0);
    const ended = await site.waitFor(one, 'success');
    await site.waitFor(two, 'error');
    expect(existsSync(join(site.unpack(ended.resultant_image_id ?? ''), 'etc', 'which'))).toBe(
      true,
    );
    await expectNothing(one.id);
    await expectNothing(two.id);
  });

  test('is returned to a waiting client once it has another status or a result, or is gone', async () => {
    const ask = async ({ id }: { readonly id: string }, status: string) => {
      const { body } = await site.ask('GET', `/jobs/${id}?while_status=${status}&wait_seconds=60`);
      return body as JobBody;
    };
    const posted = await site.post(image);
    let job: JobBody = posted;
    while (job.status !== 'waiting_on_user') job = await ask(posted, job.status);

    site.hold('mksquashfs');
    const packing = ask(job, 'waiting_on_user');
    expect((await site.ssh(job, 'touch /tmp/complete')).code).toBe(0);
    expect(await packing).toMatchObject({ status: 'packaging_artifacts' });
    const done = ask(job, 'packaging_artifacts');
    site.letGo('mksquashfs');
    expect((await done).resultant_image_id).not.toBeNull();

    const other = await site.waitFor(await site.post(image), 'waiting_on_user');
    const gone = ask(other, 'waiting_on_user');
    expect((await site.ask('DELETE', `/jobs/${other.id}`)).status).toBe(204);
    expect(await gone).toMatchObject({ status: 404 });
  });

  test('is returned unchanged to a client that does not wait', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    for (const wait of ['', '&wait_seconds=0', '&wait_seconds=1', '&wait_seconds=soon'])
      expect(
        (await site.ask('GET', `/v3/jobs/${job.id}?while_status=waiting_on_user${wait}`)).body,
      ).toMatchObject({ id: job.id, status: 'waiting_on_user' });
    await site.ask('DELETE', `/jobs/${job.id}`);
  });

  test('has no /proc, /sys and /dev without require_dkms', async () => {
    const job = await site.waitFor(
      await site.post(image, { require_dkms: 'False' }),
      'waiting_on_user',
    );
    const { output } = await site.ssh(job, 'ls /proc /sys /dev; echo $IMS_DKMS_ENABLED');
    expect(output.trim().split('\n')).toEqual(['/dev:', '', '/proc:', '', '/sys:', 'False']);
    expect((await site.ask('DELETE', `/jobs/${job.id}`)).status).toBe(204);
    await expectNothing(job.id);
  });

  test('admits no other key, no password and no tunnel', async () => {
    const job = await site.waitFor(await site.post(image), 'waiting_on_user');
    const { host = '', port = 0 } = job.ssh_containers[0]?.connection_info['cluster.local'] ?? {};
    const config = readFileSync(join(site.data, 'work', job.id, 'sshd-config'), 'utf8');
    expect(config).toContain(`ListenAddress ${host}\nPort ${port}\n`);
    expect(config).toContain('AuthenticationMethods publickey\n');
    expect(config).toContain('DisableForwarding yes\n');
    const stranger = createImageSite();
    expect((await stranger.ssh(job, 'true')).output).toContain('Permission denied (publickey)');
    await stranger.close();
    await site.ask('DELETE', `/jobs/${job.id}`);
  });

  test('takes the boot files, following links inside the image, and accepts a /tmp that is a link', async () => {
    const boot = join(tree, 'boot');
    writeFileSync(join(boot, 'vmlinuz-6'), 'a kernel');
    symlinkSync('/boot/vmlinuz-6', join(boot, 'vmlinuz'));
    symlinkSync('../../../../../../../etc/hostname', join(boot, 'initrd'));
    rmSync(join(tree, 'tmp'), { recursive: true });
    mkdirSync(join(tree, 'var', 'tmp'), { recursive: true });
    symlinkSync('/var/tmp', join(tree, 'tmp'));
    rmSync(join(tree, 'etc', 'resolv.conf'));
    symlinkSync('/run/nowhere/resolv.conf', join(tree, 'etc', 'resolv.conf'));
    const job = await site.waitFor(
      await site.post(await site.add(tree, 'links')),
      'waiting_on_user',
    );
    expect((await site.ssh(job, 'cat /etc/resolv.conf && touch /tmp/complete')).code).toBe(0);
    const { resultant_image_id: result } = await site.waitFor(job, 'success');
    const folder = join(site.data, 'boot-images', result ?? '');
    // Followed outside the image, the link of the initial ramdisk would lead to a file of this machine.
    expect(readdirSync(folder).sort()).toEqual(['kernel', 'manifest.json', 'rootfs']);
    expect(readFileSync(join(folder, 'kernel'), 'utf8')).toBe('a kernel');
    const root = site.unpack(result ?? '');
    expect(lstatSync(join(root, 'etc', 'resolv.conf')).isSymbolicLink()).toBe(true);
    await waitFor(async () => (await site.findTraces(job.id)).length === 0);
  });
});
