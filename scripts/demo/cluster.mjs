import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { formatDuration, printTable, printTitle } from './print.mjs';

const IMAGE_MS = 15_000;

/** A failure whose cause the user can change. */
export class NotPossible extends Error {}

/**
 * Makes a namespace on the cluster of KUBECONFIG. Its node must be this machine and have the image of jobs.
 * @param {string} image
 */
export async function openCluster(image) {
  if (!process.env.KUBECONFIG)
    throw new NotPossible('KUBECONFIG is not set. Set it to the cluster for the demo.');
  const config = new KubeConfig();
  config.loadFromDefault();
  const core = config.makeApiClient(CoreV1Api);
  const node = await findNode(core, image);
  const namespace = `keelson-demo-${randomBytes(3).toString('hex')}`;
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  return {
    namespace,
    node,
    /** The key for the hosts, as the Secret `hosts`. @param {string} keyFile */
    async addKey(keyFile) {
      const stringData = { private: readFileSync(keyFile, 'utf8') };
      const body = { metadata: { name: 'hosts' }, stringData };
      await core.createNamespacedSecret({ namespace, body });
    },
    /** @param {string} session */
    async printPod(session) {
      const labelSelector = `cfsession=${session}`;
      const [pod] = (await core.listNamespacedPod({ namespace, labelSelector })).items;
      if (pod?.status !== undefined) printContainers(pod.metadata?.name ?? '', pod.status);
    },
    remove: () => core.deleteNamespace({ name: namespace }),
  };
}

/**
 * Pods use this machine's network, because the demo's hosts and repositories listen on loopback.
 * @param {CoreV1Api} core @param {string} image
 */
async function findNode(core, image) {
  const { items } = await core.listNode().catch((error) => {
    throw new NotPossible(`The cluster that KUBECONFIG names does not answer: ${error.message}`);
  });
  const areOwn = await Promise.all(
    items.map(({ status }) =>
      isOwnAddress(status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? ''),
    ),
  );
  const node = items.find((_, index) => areOwn[index]);
  if (node === undefined)
    throw new NotPossible(
      'This machine, which has the hosts and repositories of the demo, is no node of the cluster. For any cluster:\n' +
        'helm install keelson deploy/chart, see docs/kubernetes.md.',
    );
  const name = node.metadata?.name ?? '';
  if (image.startsWith('localhost/') && !(await hasImage(core, name, image)))
    throw new NotPossible(
      `The node has no image ${image}. Build it and import it into containerd:\n` +
        '  npm run image:job -- --output job.tar\n' +
        '  ctr --namespace k8s.io images import job.tar\n' +
        'Or name another one with KEELSON_JOB_IMAGE.',
    );
  return node.metadata?.labels?.['kubernetes.io/hostname'] ?? '';
}

/** The kubelet reports its images every ten seconds. @param {CoreV1Api} core @param {string} name @param {string} image */
async function hasImage(core, name, image) {
  for (const deadline = Date.now() + IMAGE_MS; ;) {
    const { status } = await core.readNode({ name });
    if (status?.images?.some(({ names }) => names?.includes(image))) return true;
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Tries to listen at the address, because a list of interfaces lacks a bridge without pods. @param {string} address */
async function isOwnAddress(address) {
  const server = createServer();
  try {
    server.listen(0, address);
    await once(server, 'listening');
    return address !== '';
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** @param {string} name @param {import('@kubernetes/client-node').V1PodStatus} status */
function printContainers(name, { initContainerStatuses = [], containerStatuses = [] }) {
  printTitle(`Pod ${name}`);
  printTable(
    ['container', 'ended', 'duration'],
    [...initContainerStatuses, ...containerStatuses].map(({ name, state }) => {
      const { reason = '', exitCode, startedAt, finishedAt } = state?.terminated ?? {};
      const toText = (/** @type {Date | undefined} */ time) =>
        time === undefined ? null : new Date(time).toISOString().replace('.000', '');
      const ended = exitCode === undefined ? 'not run' : `exit ${exitCode} (${reason})`;
      return [name, ended, formatDuration(toText(startedAt), toText(finishedAt))];
    }),
  );
}
