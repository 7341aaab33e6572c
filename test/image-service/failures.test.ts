import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import {
  createImageSite,
  createTree,
  describeImages,
  type ImageSite,
  type JobBody,
} from './image-site.js';

const SIZE_MEBIBYTES = 32;

describeImages('a job that cannot be done', () => {
  let site: ImageSite;
  let tree: string;
  beforeAll(async () => {
    site = createImageSite();
    tree = createTree(site.directory);
    await site.start();
  });
  afterAll(() => site.close());

  const rootOf = (id: string) => join(site.data, 'boot-images', id, 'rootfs');
  /** A manifest without a checksum, or with the one of this content. */
  const setManifest = (id: string, md5?: string) => {
    const link = { type: 's3', path: `s3://boot-images/${id}/rootfs` };
    const type = 'application/vnd.cray.image.rootfs.squashfs';
    const artifacts = [{ type, link, ...(md5 === undefined ? {} : { md5 }) }];
    const file = join(site.data, 'boot-images', id, 'manifest.json');
    writeFileSync(file, JSON.stringify({ version: '1.0', artifacts }));
  };

  const damages: [string, (id: string) => void, RegExp][] = [
    ['whose root was changed', (id) => appendFileSync(rootOf(id), 'more'), /damaged: its MD5 is/],
    [
      'whose root is cut off',
      (id) => {
        truncateSync(rootOf(id), 100_000);
        setManifest(id);
      },
      /^unsquashfs failed/,
    ],
    [
      'whose root is none',
      (id) => {
        writeFileSync(rootOf(id), randomBytes(5000));
        setManifest(id);
      },
      /^unsquashfs failed/,
    ],
  ];
  test.each(damages)('%s fails, and says so', async (_, damage, message) => {
    const id = await site.add(tree, 'damaged');
    damage(id);
    const images = (await site.ask('GET', '/images')).body;
    const job = await site.waitFor(await site.post(id), 'error');
    expect(job.message).toMatch(message);
    expect(job.resultant_image_id).toBeNull();
    const said = JSON.stringify(job.message).slice(1, -1);
    await waitFor(() => site.log().includes(said), { what: 'the log to say so' });
    expect(await site.findTraces(job.id)).toEqual([]);
    expect((await site.ask('GET', '/images')).body).toEqual(images);
  });

  const flaws: [string, (root: string) => void, RegExp][] = [
    ['without /tmp', (root) => rmSync(join(root, 'tmp'), { recursive: true }), /has no \/tmp/],
    ['without a shell', (root) => rmSync(join(root, 'bin', 'sh')), /has no shell/],
    ['that everybody may write to', (root) => chmodSync(root, 0o777), /sshd would refuse logins/],
  ];
  test.each(flaws)('with a root %s fails, and says so', async (_, change, message) => {
    const copy = join(site.directory, 'flawed');
    execFileSync('cp', ['-a', tree, copy]);
    change(copy);
    const job = await site.waitFor(await site.post(await site.add(copy, 'flawed')), 'error');
    expect(job.message).toMatch(message);
    expect(await site.findTraces(job.id)).toEqual([]);
    rmSync(copy, { recursive: true });
  });

  test('whose image is deleted while it waits for its turn fails, and says so', async () => {
    site.hold('unsquashfs');
    const others = await Promise.all(
      [1, 2].map(async () => site.post(await site.add(tree, 'held'))),
    );
    for (const other of others) await site.waitFor(other, 'fetching_image');
    const id = await site.add(tree, 'gone');
    const job = await site.post(id);
    expect((await site.ask('DELETE', `/images/${id}`)).status).toBe(204);
    site.letGo('unsquashfs');
    const { message } = await site.waitFor(job, 'error');
    expect(message).toBe(`The image ${id} no longer exists.`);
    await site.ask('DELETE', '/jobs');
  });

  test('because its port is in use is opened at another one', async () => {
    const copy = join(site.directory, 'resolved');
    execFileSync('cp', ['-a', tree, copy]);
    mkdirSync(join(copy, 'etc'), { recursive: true });
    writeFileSync(join(copy, 'etc', 'resolv.conf'), '# the own one\n');
    site.hold('unsquashfs');
    const posted = await site.post(await site.add(copy, 'taken'));
    const portOf = ({ ssh_containers: [container] }: JobBody) =>
      container?.connection_info['cluster.local']?.port;
    const taken = createServer().listen(portOf(posted), '127.0.0.1');
    await once(taken, 'listening');
    site.letGo('unsquashfs');
    const job = await site.waitFor(posted, 'waiting_on_user', 'error');
    expect(job.message).toBeUndefined();
    expect(portOf(job)).not.toBe(portOf(posted));
    await site.ssh(job, 'touch /tmp/complete');
    const { resultant_image_id: id } = await site.waitFor(job, 'success');
    const kept = join(site.unpack(id ?? ''), 'etc', 'resolv.conf');
    expect(readFileSync(kept, 'utf8')).toBe('# the own one\n');
    taken.close();
    rmSync(copy, { recursive: true });
  });

  test('is avoided: the import refuses a file that is no squashfs', () => {
    const file = join(site.directory, 'text');
    writeFileSync(file, 'no image');
    const words = [join(import.meta.dirname, '..', '..', 'dist', 'image-service', 'main.js')];
    const env = { ...process.env, IMAGE_SERVICE_DIRECTORY: site.data };
    const run = () =>
      execFileSync(process.execPath, [...words, 'import', file, '--name', 'a'], {
        env,
        stdio: 'pipe',
      });
    const before = readdirSync(join(site.data, 'boot-images'));
    expect(run).toThrow(`${file} is not a squashfs file.`);
    expect(readdirSync(join(site.data, 'boot-images'))).toEqual(before);
  });
});

describeImages('a job on a full disk', () => {
  let site: ImageSite;
  let tree: string;
  beforeAll(() => {
    site = createImageSite();
    tree = createTree(site.directory);
  });
  afterAll(() => site.close());

  test('fails while unpacking or packing, says so, and frees the space', async () => {
    const fits = await site.add(tree, 'fits');
    // Compressed it is tiny; unpacked it does not fit.
    writeFileSync(join(tree, 'ones'), Buffer.alloc(SIZE_MEBIBYTES * 1024 * 1024, 1));
    const large = await site.add(tree, 'large');
    const disk = join(site.directory, 'disk');
    mkdirSync(disk);
    // A private file system, which ends with the service.
    const mount = `mount -t tmpfs -o size=${SIZE_MEBIBYTES}m,mode=700 tmpfs "${disk}" &&
      cp -a "${site.data}/." "${disk}" && exec "$@"`;
    const prefix = ['unshare', '--mount', 'sh', '-c', mount, 'sh'];
    await site.start({ IMAGE_SERVICE_DIRECTORY: disk }, prefix);
    const unpacking = await site.waitFor(await site.post(large), 'error');
    expect(unpacking.message).toMatch(/^unsquashfs failed .*disk of .* is full/);

    const waiting = await site.waitFor(await site.post(fits), 'waiting_on_user');
    // There is room for the records of the job, but not for an image.
    const fill = 'cat /bin/sh > /room; cat /dev/urandom > /filler; rm /room; touch /tmp/complete';
    await site.ssh(waiting, fill);
    const packing = await site.waitFor(waiting, 'error');
    expect(packing.message).toMatch(/^mksquashfs failed .*disk of .* is full/);
    expect((await site.ask('GET', '/images')).body).toHaveLength(2);

    const again = await site.waitFor(await site.post(fits), 'waiting_on_user');
    expect((await site.ssh(again, 'touch /tmp/complete')).code).toBe(0);
    await site.waitFor(again, 'success');
  });
});
