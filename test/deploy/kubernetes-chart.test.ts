import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config.js';
import { VARIABLES } from '../../src/config/variables.js';
import { parsePodSettings, type PodSettings } from '../../src/runner/pod-settings.js';
import { CHART, FULL, NEEDED, describeHelm, pick, render, runHelm, withValues } from './chart.js';
import type { Resource } from './chart.js';

/** Variables that no value sets, and why. */
const NOT_OF_THE_CHART: Partial<Record<keyof typeof VARIABLES, string>> = {
  KEELSON_CACHE: 'tools are in the image',
  TEMPORAL_CLI: 'no dev server',
  TEMPORAL_PORT: 'no dev server',
  TEMPORAL_UI_PORT: 'no dev server',
  KUBECONFIG: 'a pod has its service account',
  JOB_RETENTION: 'local runner',
  GIT_CACHE_MAX_BYTES: 'local runner',
  PYTHON: 'local runner',
  ANSIBLE_PLAYBOOK: 'local runner',
  ANSIBLE_CONFIG_DIRECTORY: 'local runner',
  SSH_PRIVATE_KEY_FILE: 'local runner',
  SSH_PUBLIC_KEY_FILE: 'local runner',
  SSH_CERTIFICATE_FILE: 'local runner',
  IMAGE_SERVICE_DIRECTORY: 'image service',
  IMAGE_SERVICE_LISTEN: 'image service',
  IMAGE_SERVICE_TOKEN_FILE: 'image service',
  IMAGE_SSH_ADDRESS: 'image service',
  IMAGE_JOB_MAX_AGE: 'image service',
  JOB_ENABLE_DKMS: 'image service',
};

const SETTINGS: Record<keyof PodSettings, true> = {
  image: true,
  imagePullPolicy: true,
  imagePullSecrets: true,
  ansiblePlaybook: true,
  serviceAccountName: true,
  automountServiceAccountToken: true,
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  workspace: true,
  resources: true,
  nodeSelector: true,
  tolerations: true,
  priorityClassName: true,
  labels: true,
  annotations: true,
  activeDeadlineSeconds: true,
  hostNetwork: true,
  dnsPolicy: true,
  mesh: true,
  sshPrivateKey: true,
  sshPublicKey: true,
  sshCertificate: true,
  gitCredentials: true,
  gitSshKey: true,
  gitKnownHosts: true,
  gitCache: true,
  certificateAuthority: true,
};

const VAULT_TOKEN = { vault: { ...FULL.vault, tokenSecret: { name: 'vault' } } };

const toPod = (deployment: Resource) =>
  (deployment['spec'] as { template: { spec: V1PodSpec } }).template.spec;
const toContainer = (deployment: Resource) => toPod(deployment).containers[0] as V1Container;
const toEnvironment = (deployment: Resource) =>
  Object.fromEntries((toContainer(deployment).env ?? []).map(({ name, value }) => [name, value]));
const readChart = (name: string) => parse(readFileSync(join(CHART, name), 'utf8')) as unknown;

describeHelm('the chart', () => {
  let needed: readonly Resource[];
  let full: readonly Resource[];
  beforeAll(async () => {
    [needed, full] = await Promise.all([render(NEEDED), render(FULL)]);
  });

  test.each([
    ['needed', NEEDED],
    ['full', FULL],
  ])('passes helm lint with %s values', async (_, values) => {
    const told = await withValues(values, (file) =>
      runHelm('lint', '--strict', CHART, '--values', file),
    );
    expect(told).toContain('0 chart(s) failed');
  });

  test.each<[string, object, string]>([
    ['an unknown value', { replicas: 2 }, `additional properties 'replicas' not allowed`],
    ['a low number', { api: { replicas: -1 } }, `at '/api/replicas': minimum: got -1, want 0`],
    ['text for a number', { worker: { maxWatchedJobs: 'many' } }, `at '/worker/maxWatchedJobs'`],
    ['an address without a port', { temporal: { address: 'temporal' } }, `at '/temporal/address'`],
    ['an unknown setting of pods', { jobs: { settings: { imge: 'a' } } }, `'imge' not allowed`],
    ['no database', { database: { url: '' } }, 'database: set url, or urlSecret.name'],
    ['two databases', { database: { urlSecret: { name: 'a' } } }, 'either url or urlSecret'],
    [
      'a password in a value',
      { database: { url: 'postgresql://a:b@c/d' } },
      'put the password in a Secret',
    ],
    ['no Temporal', { temporal: { address: '' } }, 'temporal.address: set the host:port'],
    [
      'half a certificate',
      { temporal: { tlsSecret: { name: 'a', privateKey: '' } } },
      'both certificateKey and privateKey',
    ],
    [
      'an authority twice',
      { sourceAuthorities: [{ name: 'a' }, { name: 'a', kind: 'secret' }] },
      'sourceAuthorities: a is listed twice',
    ],
    [
      'an authority of an unknown kind',
      { sourceAuthorities: [{ name: 'a', kind: 'file' }] },
      `at '/sourceAuthorities/0/kind'`,
    ],
    ['no tokens', { api: { tokensSecret: { name: '' } } }, 'name the Secret with the tokens'],
    ['tokens and none', { api: { auth: 'none' } }, 'auth=none needs no tokensSecret'],
    [
      'a port twice',
      { api: { ports: { jobs: 8080 } } },
      'http, jobs and metrics must be different',
    ],
    ['a port of the Service twice', { api: { service: { jobPort: 80 } } }, 'port and jobPort must'],
    [
      'a port of the worker twice',
      { worker: { ports: { temporal: 9091 } } },
      'metrics and temporal',
    ],
  ])('refuses %s', async (_, values, sentence) => {
    const rendered = withValues(NEEDED, (base) =>
      withValues(values, (file) =>
        runHelm('template', 'keelson', CHART, '--values', base, '--values', file),
      ),
    );
    await expect(rendered).rejects.toThrow(sentence);
  });

  test('has the same values in values.yaml and in its schema', () => {
    const schema = readChart('values.schema.json') as Schema;
    expect(listValues(readChart('values.yaml') as object, schema)).toEqual(listSchema(schema));
  });

  test('knows the settings of pods that the worker knows', () => {
    const { properties } = readChart('values.schema.json') as Schema;
    const settings = properties?.['jobs']?.properties?.['settings'];
    expect(Object.keys(settings?.properties ?? {}).sort()).toEqual(Object.keys(SETTINGS).sort());
  });

  test('sets every variable, except those of parts that it does not run', async () => {
    const open = await render({ ...FULL, ...VAULT_TOKEN, api: { auth: 'none' } });
    const names = [...full, ...open]
      .filter(({ kind }) => kind === 'Deployment')
      .flatMap((deployment) => Object.keys(toEnvironment(deployment)))
      .filter((name) => name !== 'HTTPS_PROXY');
    const all = [...new Set([...names, ...Object.keys(NOT_OF_THE_CHART)])].sort();
    expect(all).toEqual(Object.keys(VARIABLES).sort());
  });

  describe.each(['api', 'worker'])('its %s', (component) => {
    const deployment = (resources = full) => pick(resources, 'Deployment', `keelson-${component}`);
    let directory: string;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), 'keelson-chart-'));
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    /** Writes the files that the kubelet would mount. Only the settings of pods have their content. */
    function writeFiles(resources: readonly Resource[]): string {
      const root = mkdtempSync(join(directory, 'files-'));
      const files = toPod(deployment(resources)).volumes?.find(({ name }) => name === 'files');
      for (const source of files?.projected?.sources ?? []) {
        const login = source.serviceAccountToken;
        if (login !== undefined) writeFileSync(join(root, login.path), 'token');
        const { name = '', items = [] } = source.secret ?? source.configMap ?? {};
        const known = resources.find(
          (each) => each.kind === 'ConfigMap' && each.metadata.name === name,
        );
        const data = known?.['data'] as Record<string, string> | undefined;
        for (const { key, path } of items) {
          mkdirSync(dirname(join(root, path)), { recursive: true });
          writeFileSync(join(root, path), data?.[key] ?? '');
        }
      }
      return root;
    }

    test.each(['needed', 'full'])('starts with %s values', (which) => {
      const resources = which === 'full' ? full : needed;
      const root = writeFiles(resources);
      const environment = Object.fromEntries(
        Object.entries(toEnvironment(deployment(resources))).map(([name, value]) => [
          name,
          value?.replace('/etc/keelson', root),
        ]),
      );
      const config = parseConfig(environment);
      expect(config.runner.kubernetes).toMatchObject({
        settings: parsePodSettings(
          which === 'full' ? JSON.stringify(FULL.jobs.settings) : 'image: keelson-job:0.1.0',
        ),
      });
      expect(config.database.kind).toBe('postgres');
      expect(config.masterKeyFile).toBe(join(root, 'master-key-file'));
      if (which === 'full') {
        expect(readdirSync(config.sources.sourceCaDirectory ?? '').sort()).toEqual(
          FULL.sourceAuthorities.map(({ name }) => name),
        );
        expect(config.sources.vault).toMatchObject({
          jwtFile: join(root, 'vault-jwt-file'),
          role: 'keelson',
        });
      }
    });

    test('logs in to Vault with a token for Vault alone, and mounts none if it has a token of Vault', async () => {
      const findLogins = (resources: readonly Resource[]) =>
        toPod(deployment(resources))
          .volumes?.flatMap(({ projected }) => projected?.sources ?? [])
          .flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []);
      expect(findLogins(full)).toEqual([
        { path: 'vault-jwt-file', expirationSeconds: 3600, audience: 'vault' },
      ]);
      expect(findLogins(await render({ ...FULL, ...VAULT_TOKEN }))).toEqual([]);
      expect(findLogins(needed)).toEqual([]);
      const plain = await render({ ...NEEDED, vault: { url: 'http://vault:8200' } });
      expect(toEnvironment(deployment(plain))['VAULT_ROLE']).toBe('cfs');
    });

    test('runs with as few rights as possible', () => {
      const pod = toPod(deployment());
      expect(pod).toMatchObject({
        automountServiceAccountToken: component === 'worker',
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(toContainer(deployment()).securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    });

    test('is probed at a port that it has', () => {
      const { ports = [], livenessProbe, readinessProbe, startupProbe } = toContainer(deployment());
      for (const probe of [livenessProbe, readinessProbe, startupProbe]) {
        expect(probe?.httpGet?.path).toMatch(/^\/healthz\/(?:live|ready)$/);
        expect(ports.map(({ name }) => name)).toContain(probe?.httpGet?.port);
      }
    });

    test('is stopped before it is replaced if it uses the network of its node', async () => {
      const onNode = { hostNetwork: true };
      const api = { ...NEEDED.api, ...onNode };
      const resources = await render({ ...NEEDED, api, worker: onNode });
      const strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
      expect(deployment(resources)['spec']).toMatchObject({ strategy });
      expect(deployment()['spec']).not.toHaveProperty('strategy');
    });

    test('resolves names of Services on the network of its node, unless dnsPolicy says otherwise', async () => {
      const findPolicy = async (own: object) => {
        const api = { ...NEEDED.api, ...own };
        return toPod(deployment(await render({ ...NEEDED, api, worker: own }))).dnsPolicy;
      };
      expect(await findPolicy({})).toBeUndefined();
      expect(await findPolicy({ hostNetwork: true })).toBe('ClusterFirstWithHostNet');
      expect(await findPolicy({ hostNetwork: true, dnsPolicy: 'Default' })).toBe('Default');
    });

    test('gets numbers of its environment as they were written', async () => {
      const environment = { WHOLE: 123456789, PART: 0.5, FLAG: true };
      const api = { ...NEEDED.api, environment };
      const resources = await render({ ...NEEDED, api, worker: { environment } });
      const told = { WHOLE: '123456789', PART: '0.5', FLAG: 'true' };
      expect(toEnvironment(deployment(resources))).toMatchObject(told);
    });

    test('gets a URL with a password only by reference', async () => {
      const urlSecret = { name: 'database', key: 'url' };
      const resources = await render({ ...NEEDED, database: { urlSecret } });
      expect(
        toContainer(deployment(resources)).env?.filter(({ name }) => name === 'DATABASE_URL'),
      ).toEqual([{ name: 'DATABASE_URL', valueFrom: { secretKeyRef: urlSecret } }]);
    });
  });

  test('gives the worker the rights that the document lists, where jobs run', () => {
    const role = pick(full, 'Role', 'keelson-worker-of-cfs', 'jobs');
    const rules = role['rules'] as { resources: [string]; verbs: string[] }[];
    const document = readFileSync(join(CHART, '../../docs/kubernetes.md'), 'utf8');
    const rows = [...document.matchAll(/^\| `([a-z/]+)`(?: \(`batch`\))? \| ([a-z, ]+) \|$/gm)];
    expect(rules.map(({ resources, verbs }) => [...resources, verbs.join(', ')])).toEqual(
      rows.map(([, resource, verbs]) => [resource, verbs]),
    );
    expect(pick(full, 'RoleBinding', 'keelson-worker-of-cfs', 'jobs')).toMatchObject({
      roleRef: { name: 'keelson-worker-of-cfs' },
      subjects: [{ kind: 'ServiceAccount', name: 'keelson-worker', namespace: 'cfs' }],
    });
  });

  test('names the namespace of every object, for those who apply rendered manifests', () => {
    const namespaces = new Set(full.map(({ metadata }) => metadata.namespace));
    expect([...namespaces].sort()).toEqual(['cfs', 'jobs', 'vcluster-blue']);
  });

  test('shares the namespace of jobs with a release of the same name in another namespace', async () => {
    const list = (resources: readonly Resource[]) =>
      resources
        .filter(({ metadata }) => metadata.namespace === 'jobs')
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const [ours, theirs] = [list(full), list(await render(FULL, 'another'))];
    expect(ours).toHaveLength(3);
    expect(ours.filter((each) => theirs.includes(each))).toEqual([]);
  });

  test('lets the worker request a token of the account of a tenant', () => {
    const role = pick(full, 'Role', 'keelson-worker-cfs', 'vcluster-blue');
    expect(role).toMatchObject({
      rules: [
        { resources: ['serviceaccounts/token'], resourceNames: ['default'], verbs: ['create'] },
      ],
    });
    expect(pick(full, 'RoleBinding', 'keelson-worker-cfs', 'vcluster-blue')).toMatchObject({
      roleRef: { name: 'keelson-worker-cfs' },
      subjects: [{ kind: 'ServiceAccount', name: 'keelson-worker', namespace: 'cfs' }],
    });
  });

  test('names the Service as clients of CFS expect, and jobs reach their port of it', () => {
    const service = pick(full, 'Service', 'cray-cfs-api');
    expect(service['spec']).toMatchObject({
      ports: [
        { port: 80, targetPort: 'http' },
        { port: 8081, targetPort: 'jobs' },
      ],
    });
    const worker = toEnvironment(pick(full, 'Deployment', 'keelson-worker'));
    expect(worker['JOB_API_URL']).toBe('http://cray-cfs-api.cfs.svc:8081');
  });

  test('selects the pods of API and worker, each by labels that no other pod has', () => {
    for (const component of ['api', 'worker']) {
      const { spec } = pick(full, 'Deployment', `keelson-${component}`) as Resource & {
        spec: { selector: object; template: { metadata: { labels: object } } };
      };
      const { matchLabels } = spec.selector as { matchLabels: Record<string, string> };
      expect(matchLabels['app.kubernetes.io/component']).toBe(component);
      expect(spec.template.metadata.labels).toMatchObject(matchLabels);
      expect(pick(full, 'NetworkPolicy', `keelson-${component}`)['spec']).toMatchObject({
        podSelector: { matchLabels },
        policyTypes: ['Ingress', 'Egress'],
      });
      expect(pick(full, 'PodDisruptionBudget', `keelson-${component}`)['spec']).toEqual({
        maxUnavailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: { matchLabels },
      });
    }
  });

  test('lets jobs reach the API whatever else they may reach', () => {
    const { spec } = pick(full, 'NetworkPolicy', 'keelson-jobs-of-cfs', 'jobs');
    const api = pick(full, 'Deployment', 'keelson-api')['spec'] as { selector: object };
    expect(spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        {
          ports: [
            { port: 53, protocol: 'UDP' },
            { port: 53, protocol: 'TCP' },
          ],
        },
        ...FULL.networkPolicy.jobEgress,
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'cfs' } },
              podSelector: api.selector,
            },
          ],
          ports: [{ port: 8081 }],
        },
      ],
    });
    const open = pick(needed, 'NetworkPolicy', 'keelson-jobs')['spec'] as object;
    expect(open).toMatchObject({ policyTypes: ['Ingress'] });
    expect(open).not.toHaveProperty('egress');
  });

  test('keeps jobs from being evicted only if that is wanted', async () => {
    const kept = await render({ ...FULL, podDisruptionBudget: { jobs: true } });
    const name = 'keelson-jobs-of-cfs';
    expect(pick(kept, 'PodDisruptionBudget', name, 'jobs')['spec']).toEqual({
      minAvailable: 1_000_000,
      selector: { matchLabels: { 'app.kubernetes.io/name': 'keelson-job' } },
    });
    expect(() => pick(full, 'PodDisruptionBudget', name)).toThrow();
  });

  test('makes a master key of 32 bytes that outlives the release, and none if one is given', () => {
    const { data, metadata } = pick(needed, 'Secret', 'keelson-master-key') as Resource & {
      data: Record<string, string>;
      metadata: { annotations: object };
    };
    expect(Buffer.from(data['master.key'] ?? '', 'base64').toString()).toMatch(/^[0-9a-f]{64}$/);
    expect(metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect(full.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  test('has no worker and no rights if an external operator runs the sessions', async () => {
    const resources = await render({ ...NEEDED, temporal: {}, runner: 'none' });
    const kinds = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
    expect(kinds).toEqual([
      ...['Deployment keelson-api', 'NetworkPolicy keelson-api', 'PodDisruptionBudget keelson-api'],
      ...['Secret keelson-master-key', 'Service keelson-api', 'ServiceAccount keelson-api'],
    ]);
    const environment = toEnvironment(pick(resources, 'Deployment', 'keelson-api'));
    expect(environment).not.toHaveProperty('KUBERNETES_SETTINGS_FILE');
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

function listSchema({ properties = {} }: Schema, path = ''): string[] {
  return Object.entries(properties)
    .filter(([name]) => name !== 'global')
    .flatMap(([name, schema]) =>
      schema.properties === undefined || name === 'settings'
        ? [`${path}/${name}`]
        : listSchema(schema, `${path}/${name}`),
    )
    .sort();
}

/** Lists values as deep as the schema does. */
function listValues(values: object, schema: Schema, path = ''): string[] {
  return Object.entries(values)
    .flatMap(([name, value]) => {
      const own = schema.properties?.[name];
      const isOpen = own?.properties === undefined || name === 'settings';
      return isOpen ? [`${path}/${name}`] : listValues(value as object, own, `${path}/${name}`);
    })
    .sort();
}
