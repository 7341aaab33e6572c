import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createImsClient } from '../../src/clients/ims.js';
import type { ImageClient } from '../../src/clients/interfaces.js';
import type { ImageJob } from '../../src/core/image.js';
import { waitFor } from '../support/wait.js';
import { createImageSite, createTree, describeImages, type ImageSite } from './image-site.js';

const never = new AbortController().signal;

describeImages('the client', () => {
  let site: ImageSite;
  let image: string;
  beforeAll(async () => {
    site = createImageSite();
    image = await site.add(createTree(site.directory));
    await site.start();
  });
  afterAll(() => site.close());

  const follow = (
    client: ImageClient,
    id: string,
    container: string,
    isIt: (job: ImageJob) => boolean,
  ) => {
    let known: ImageJob['status'] | undefined;
    return waitFor(
      async () => {
        const job = await client.getJob({ id, container, known }, never);
        known = job?.status;
        return job !== undefined && isIt(job) ? job : undefined;
      },
      { what: 'the job' },
    );
  };

  test('gets an image customized by the image service', async () => {
    const client = createImsClient({ url: `${site.url()}/v3`, timeoutSeconds: 30 });
    expect(await client.findImage(image, never)).toEqual({ id: image, name: 'compute' });
    const key = { name: 'cfs_a', publicKey: site.publicKey };
    const keyId = await client.ensureKey(key, never);
    expect(await client.ensureKey(key, never)).toBe(keyId);
    const container = 'cfs-a-0123abcd.deadbeef';
    const wish = { imageId: image, resultName: 'new', keyId, container, requireDkms: true };
    const { id, address } = await client.ensureJob(wish, never);
    expect((await client.ensureJob(wish, never)).id).toBe(id);
    await client.removeKey(keyId, never);
    expect(await client.findKeys(key.name, never)).toEqual([]);
    const waiting = await follow(
      client,
      id,
      container,
      ({ status }) => status === 'waiting_on_user',
    );
    expect(waiting.address).toEqual(address);
    expect((await client.findJobs(container, never)).map((job) => job.id)).toEqual([id]);
    const { body } = await site.ask('GET', `/jobs/${id}`);
    const job = body as Parameters<ImageSite['ssh']>[0];
    expect((await site.ssh(job, 'touch /tmp/complete')).code).toBe(0);
    const { resultId = '' } = await follow(
      client,
      id,
      container,
      (each) => each.resultId !== undefined,
    );
    expect(await client.findImage(resultId, never)).toEqual({ id: resultId, name: 'new' });
    await client.removeJob(id, never);
    await client.removeJob(id, never);
    expect(await client.findJobs(container, never)).toEqual([]);
    expect(await site.findTraces(id)).toEqual([]);
  });
});
