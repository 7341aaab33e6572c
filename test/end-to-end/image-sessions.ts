import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createImageSite,
  createTree,
  type ImageSite,
  type JobBody,
} from '../image-service/image-site.js';
import { startImsProxy, type ImsProxy } from '../support/ims-proxy.js';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlay, type Ended, type Site } from './site.js';

/** API, worker and Temporal, an image service, and a proxy between them that can break calls. */
export interface ImageSessions {
  readonly site: Site;
  readonly images: ImageSite;
  readonly proxy: ImsProxy;
  readonly tree: string;
  /** Posts a session that writes a line into each of these images, twice over. */
  submit(name: string, imageIds: readonly string[], layers?: readonly object[]): Promise<void>;
  /** Waits for its end and checks that nothing is left of it. */
  whenOver(name: string): Promise<Ended>;
  artifacts(name: string): Promise<readonly Artifact[]>;
  /** Ids of all images that were made since the start. */
  made(): Promise<readonly string[]>;
  /** The content of this file in an image. */
  read(imageId: string, file: string): string | undefined;
  jobs(): Promise<readonly JobBody[]>;
  restartWorker(): Promise<void>;
  close(): Promise<void>;
}

export interface Artifact {
  readonly image_id: string;
  readonly result_id: string;
  readonly type: string;
}

/** Uses `raw`, because these images have no Python. */
export const writesLine = (line: string) =>
  renderPlay('compute', `raw: echo "${line} {{ inventory_hostname }}" >> /root/lines`);

/** `open` opens the site, with the given environment for API and worker. */
export async function openImageSessions(
  open: (environment: Readonly<Record<string, string>>) => Promise<Site> = (environment) =>
    openSite({ hosts: [], environment: { ...environment, SSH_PRIVATE_KEY_FILE: '' } }),
): Promise<ImageSessions> {
  const images = createImageSite();
  await images.start();
  const proxy = await startImsProxy(images.url());
  const tree = createTree(images.directory);
  const site = await open({ IMS_URL: proxy.url, SWEEP_INTERVAL: '1' });
  const before = new Set<string>();
  const list = async (what: string) =>
    (await images.ask('GET', `/${what}`)).body as readonly { readonly id: string }[];
  const sessions: ImageSessions = {
    site,
    images: {
      ...images,
      async add(...given) {
        const id = await images.add(...given);
        before.add(id);
        return id;
      },
    },
    proxy,
    tree,
    async submit(name, imageIds, layers) {
      const twice = () => [
        site.layer({ 'site.yml': writesLine('first') }),
        site.layer({ 'site.yml': writesLine('second') }),
      ];
      await site.configure(name, layers ?? twice());
      const groups = [{ name: 'compute', members: imageIds }];
      await site.submit(name, {
        configuration_name: name,
        target: { definition: 'image', groups },
      });
    },
    async whenOver(name) {
      const { status } = await site.waitUntilComplete(name, 110_000);
      const job = status.session.job ?? '';
      await site.expectNothingLeft(job);
      const left = [...(await list('jobs')), ...(await list('public-keys'))];
      if (left.length > 0) throw new Error(`Left in the image service: ${JSON.stringify(left)}`);
      const key = join(site.directory, 'data', 'jobs', job, 'workspace', 'ssh', 'id_image');
      if (existsSync(key)) throw new Error(`${key} is still there.`);
      return { ...status.session, job };
    },
    async artifacts(name) {
      const { status } = await site.find(name);
      return (status as unknown as { readonly artifacts: readonly Artifact[] }).artifacts;
    },
    made: async () => (await list('images')).map(({ id }) => id).filter((id) => !before.has(id)),
    read(imageId, file) {
      const unpacked = join(images.unpack(imageId), file);
      return existsSync(unpacked) ? readFileSync(unpacked, 'utf8') : undefined;
    },
    jobs: async () => (await images.ask('GET', '/jobs')).body as readonly JobBody[],
    async restartWorker() {
      await site.worker.kill();
      await site.worker.start();
    },
    async close() {
      await site.close();
      await proxy.close();
      await images.close();
    },
  };
  return sessions;
}

/** Waits until a job of the image service has this status. */
export async function whenStatus(sessions: ImageSessions, status: string): Promise<void> {
  await waitFor(async () => (await sessions.jobs()).some((job) => job.status === status), {
    what: `an image to be ${status}`,
  });
}
