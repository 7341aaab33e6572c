import { runnerContract } from '../contract/runner-contract.js';
import { createKubernetesHarness, describeCluster } from './kubernetes-harness.js';

describeCluster('on a cluster', () => {
  runnerContract('kubernetes', ({ apiUrl }) =>
    createKubernetesHarness(apiUrl === undefined ? {} : { apiUrl, settings: 'hostNetwork: true' }),
  );
});
