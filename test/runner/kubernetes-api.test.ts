import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesApi } from '../../src/runner/kubernetes-api.js';

const HOUR_MS = 3_600_000;

test('createKubernetesApi returns the time of Kubernetes, whatever the local clock says', async () => {
  const server = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() + 2 * HOUR_MS).toUTCString());
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ kind: 'JobList', apiVersion: 'batch/v1', items: [] }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = new KubeConfig();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' });
  const api = createKubernetesApi(config, 'n', 'd');

  expect(api.now()).toBeLessThan(Date.now() + HOUR_MS);
  await api.listJobs(new AbortController().signal);
  expect(api.now()).toBeGreaterThan(Date.now() + HOUR_MS);
  server.closeAllConnections();
  server.close();
});
