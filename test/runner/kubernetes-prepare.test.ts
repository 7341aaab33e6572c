import { expect, test } from '@jest/globals';
import { KubeConfig, type V1Job } from '@kubernetes/client-node';
import { ServiceError } from '../../src/core/errors.js';
import { createKubernetesApi, type KubernetesApi } from '../../src/runner/kubernetes-api.js';
import { prepareJob } from '../../src/runner/kubernetes-launch.js';
import { aLaunch, aScript, never } from '../contract/runner-jobs.js';
import { toSettings } from './kubernetes-harness.js';

test('a launch that another worker completes meanwhile with other content is kept', async () => {
  const jobs = createJobs();
  const given = aLaunch([aScript('one', 'true')]);
  const prepare = (api: KubernetesApi, vaultToken: string) => {
    const surroundings = { namespace: 'n', deploymentId: 'd', gitProtocols: 'https' };
    const options = { ...surroundings, settings: toSettings(), jobSource: process.cwd(), api };
    return prepareJob(options, { ...given, vaultToken }, never);
  };
  const [isHalf, mayGoOn] = [
    Promise.withResolvers<undefined>(),
    Promise.withResolvers<undefined>(),
  ];
  const slow = prepare(
    {
      ...jobs.api,
      async createSecret(...secret) {
        isHalf.resolve(undefined);
        await mayGoOn.promise;
        return jobs.api.createSecret(...secret);
      },
    },
    'first',
  );
  await isHalf.promise;
  let whole: string | undefined;
  const hasty = await prepare(
    {
      ...jobs.api,
      async findJob(...asked) {
        const found = await jobs.api.findJob(...asked);
        mayGoOn.resolve(undefined);
        whole ??= await slow;
        return found;
      },
    },
    'second',
  );
  expect(hasty).toBe(whole);
  expect(jobs.uids()).toEqual([whole]);
});

/** Stores Jobs like Kubernetes: each change makes a version, and a request with another version is refused. */
function createJobs() {
  const jobs = new Map<string, V1Job>();
  let version = 0;
  const refuse = () => Promise.reject(new ServiceError('conflict', 'It is another one.'));
  const save = (job: V1Job, changes: object) => {
    const resourceVersion = String(++version);
    const saved = Object.assign({}, job, {
      metadata: Object.assign({}, job.metadata, changes, { resourceVersion }),
    });
    jobs.set(job.metadata?.name ?? '', saved);
    return Promise.resolve(saved);
  };
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'c', server: 'http://127.0.0.1:9', skipTLSVerify: false },
    { name: 'u' },
  );
  const api: KubernetesApi = {
    ...createKubernetesApi(config, 'n', 'd'),
    createJob(job) {
      if (jobs.has(job.metadata?.name ?? '')) return refuse();
      return save(job, { uid: `uid-${version}` });
    },
    findJob: (name) => Promise.resolve(jobs.get(name)),
    patchJob(name, { metadata }: V1Job) {
      const job = jobs.get(name);
      if (job === undefined) return Promise.resolve(undefined);
      if (job.metadata?.uid !== metadata?.uid) return refuse();
      const annotations = { ...job.metadata?.annotations, ...metadata?.annotations };
      return save(job, { annotations });
    },
    deleteJob(name, { uid, resourceVersion }) {
      const metadata = jobs.get(name)?.metadata;
      if (metadata?.uid !== uid || metadata.resourceVersion !== resourceVersion) return refuse();
      jobs.delete(name);
      return Promise.resolve(undefined);
    },
    createSecret: (secret) => Promise.resolve(secret),
    findConfigMap: () => Promise.resolve({ data: { 'ansible.cfg': '' } }),
  };
  return { api, uids: () => [...jobs.values()].map(({ metadata }) => metadata?.uid) };
}
