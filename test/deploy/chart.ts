import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import { parseAllDocuments, stringify } from 'yaml';
import { findTools } from '../../scripts/lib/tools.mjs';

export const CHART = fileURLToPath(new URL('../../deploy/chart/', import.meta.url));

const { helm } = findTools(process.env);

/** Helm is required together with a cluster. Otherwise these suites run if Helm is installed. */
export const describeHelm =
  helm !== undefined || process.env['REQUIRE_CLUSTER'] === '1' ? describe : describe.skip;

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // The members differ by kind.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [key: string]: any;
}

/** The fewest values with which the chart can be installed. */
export const NEEDED = {
  database: { url: 'postgresql://keelson@database/keelson' },
  temporal: { address: 'temporal:7233' },
  api: { tokensSecret: { name: 'tokens' } },
};

/** A value for everything that has an effect. */
export const FULL = {
  image: { repository: 'registry.example.com/keelson', tag: '1', pullSecrets: ['registry'] },
  database: {
    url: 'postgresql://keelson@database/keelson',
    passwordSecret: { name: 'database' },
    certificateAuthority: { name: 'database-ca' },
    poolSize: 20,
  },
  temporal: { address: 'temporal:7233', namespace: 'keelson', tlsSecret: { name: 'temporal' } },
  masterKeySecret: { name: 'master' },
  logLevel: 'debug',
  git: {
    proxy: 'http://proxy:3128',
    noProxy: '.internal',
    credentialsSecret: { name: 'git' },
    sshKeySecret: { name: 'git-ssh' },
    certificateAuthority: { name: 'ca' },
    knownHosts: { name: 'known-hosts' },
  },
  hsm: { tokenSecret: { name: 'hsm' }, certificateAuthority: { name: 'ca' } },
  inventory: { name: 'inventory' },
  webhooksSecret: { name: 'webhooks' },
  ims: {
    url: 'http://cray-ims',
    tokenSecret: { name: 'ims' },
    certificateAuthority: { name: 'ca' },
  },
  sourceAuthorities: [
    { name: 'cray-configmap-ca-public-key' },
    { name: 'forge', key: 'ca.crt', kind: 'secret' },
  ],
  vault: {
    url: 'https://vault:8200',
    role: 'keelson',
    audience: 'vault',
    certificateAuthority: { name: 'ca' },
    tenants: ['vcluster-blue'],
  },
  tapms: { url: 'http://cray-tapms/v1alpha3' },
  jobs: {
    namespace: 'jobs',
    settings: {
      image: 'registry.example.com/keelson-job:1',
      sshPrivateKey: { name: 'cfstrust' },
      tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    },
  },
  api: {
    auth: 'tokens',
    tokensSecret: { name: 'tokens' },
    publicUrl: 'https://api.example.com/apis/cfs',
    service: { name: 'cray-cfs-api', port: 80, annotations: { example: 'value' } },
    podLabels: { team: 'a' },
    podAnnotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '8081' },
    nodeSelector: { role: 'management' },
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    priorityClassName: 'csm-high-priority-service',
    environment: { HTTPS_PROXY: 'http://proxy:3128' },
  },
  worker: { replicas: 3, ports: { metrics: 9091, temporal: 9092 }, maxWatchedJobs: 50 },
  networkPolicy: {
    apiFrom: [{ namespaceSelector: { matchLabels: { name: 'gateway' } } }],
    metricsFrom: [{ podSelector: { matchLabels: { app: 'prometheus' } } }],
    egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
    jobEgress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
  },
};

export async function runHelm(...argv: readonly string[]): Promise<string> {
  if (helm === undefined) throw new Error('There is no helm: node scripts/setup.mjs --only helm');
  const { stdout } = await promisify(execFile)(helm, argv, { maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/** Calls `act` with a file of these values. */
export async function withValues<T>(values: object, act: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-values-'));
  try {
    const file = join(directory, 'values.yaml');
    writeFileSync(file, stringify(values));
    return await act(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The resources that the chart renders with these values. */
export async function render(values: object, namespace = 'cfs'): Promise<readonly Resource[]> {
  const text = await withValues(values, (file) =>
    runHelm('template', 'keelson', CHART, '--namespace', namespace, '--values', file),
  );
  return parseAllDocuments(text).map((document) => document.toJS() as Resource);
}

/** `namespace`: needed if there are objects of this name in several. */
export function pick(
  resources: readonly Resource[],
  kind: string,
  name: string,
  namespace?: string,
): Resource {
  const found = resources.find(
    ({ kind: ofKind, metadata }) =>
      ofKind === kind &&
      metadata.name === name &&
      (namespace === undefined || metadata.namespace === namespace),
  );
  if (found === undefined) throw new Error(`The chart makes no ${kind} ${name}.`);
  return found;
}
