import { describe, expect, test } from '@jest/globals';
import { renderJobObjects } from '../../src/runner/pod.js';
import { renderSecret } from '../../src/runner/pod-secrets.js';
import { toLabelValue } from '../../src/runner/pod-labels.js';
import type { Launch } from '../../src/runner/runner.js';
import { readFixture } from '../support/fixture.js';
import { aJob, aSettings } from './pod-builders.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const aLaunch = (launch: Partial<Launch> = {}): Launch => ({
  job: aJob(),
  files: { inventory: bytes('packed inventory'), 'inventory-notes': bytes('packed notes') },
  token: 'token-of-the-job',
  ...launch,
});
const render = (settings = aSettings(), launch = aLaunch()) =>
  renderJobObjects(launch, bytes('[defaults]\n'), 'cfs-a-01234567-abcdef', {
    settings,
    namespace: 'keelson',
    deploymentId: 'd1',
    apiUrl: 'http://api:8080',
    gitProtocols: 'https:ssh',
  });

const EVERYTHING = `
imagePullPolicy: Always
imagePullSecrets: [registry]
ansiblePlaybook: /opt/ansible/bin/ansible-playbook
serviceAccountName: jobs
automountServiceAccountToken: true
runAsNonRoot: { user: 1000, group: 1001 }
readOnlyRootFilesystem: true
workspace: { sizeLimit: 2Gi, medium: Memory }
resources:
  clone: { requests: { memory: 64Mi } }
  inventory: { limits: { memory: 256Mi } }
  ansible: { requests: { cpu: 1 }, limits: { cpu: 2, memory: 1Gi } }
nodeSelector: { kubernetes.io/arch: amd64 }
tolerations: [{ key: dedicated, operator: Equal, value: jobs, effect: NoSchedule }]
priorityClassName: high
labels: { team: ours, cfsession: theirs }
annotations: { example.com/note: yes it is, cluster-autoscaler.kubernetes.io/safe-to-evict: "true" }
activeDeadlineSeconds: 86400
hostNetwork: true
mesh: native
sshPrivateKey: { name: cfstrust }
sshPublicKey: { name: cfstrust }
sshCertificate: { name: cfstrustcertificate }
gitCredentials: { name: vcs }
gitSshKey: { name: vcs-key, key: id_ed25519 }
gitKnownHosts: { name: known-hosts }
gitCache: { claimName: git-cache, maxBytes: 1000000 }
certificateAuthority: { name: cray-configmap-ca-public-key }
`;

function expectFixture(name: string, actual: unknown): void {
  const text = `${JSON.stringify(actual, null, 2)}\n`;
  expect(text).toBe(readFixture(name, text));
}

describe('renderJobObjects', () => {
  test('is a complete Job with minimal settings', () => {
    expectFixture('pod/least.json', render().job);
  });

  test('is a complete Job with all settings', () => {
    expectFixture('pod/everything.json', render(aSettings(EVERYTHING)).job);
  });

  test('has an init container, which clients of CFS look for, even if the configuration has no layers', () => {
    const phases = aJob().phases.filter(({ kind }) => kind === 'inventory');
    const { job } = render(aSettings(), aLaunch({ job: aJob({ phases }) }));
    const { initContainers, containers } = job.spec?.template.spec ?? {};
    expect(initContainers?.map(({ name }) => name)).toEqual(['inventory']);
    expect(containers).toEqual([
      expect.objectContaining({ name: 'ansible', command: ['true'], env: [], volumeMounts: [] }),
    ]);
    expect(job.metadata?.annotations?.['keelson/phases']).toBe('inventory');
  });

  test('mounts credentials of git while cloning, keys afterwards, and neither elsewhere', () => {
    const { spec } = render(aSettings(EVERYTHING)).job.spec?.template ?? {};
    const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
    const secret = containers.map(({ name, volumeMounts }) => [
      name,
      volumeMounts
        ?.map((mount) => mount.name)
        .filter((volume) => ['clone-secrets', 'secrets', 'keys', 'files'].includes(volume)),
    ]);
    expect(secret).toEqual([
      ['git-clone-0', ['clone-secrets']],
      ['git-clone-hosts', ['clone-secrets']],
      ['inventory', ['secrets', 'files', 'keys']],
      ['ansible-0', ['secrets', 'keys']],
    ]);
  });

  test('has the key of an image session among the keys, and no value of it in the Job', () => {
    const imageKey = { privateKey: 'private-half', publicKey: 'public-half' };
    const { job, secrets } = render(aSettings(), { ...aLaunch(), imageKey });
    const { initContainers = [], containers = [], volumes = [] } = job.spec?.template.spec ?? {};
    const listHaving = (path: string) =>
      [...initContainers, ...containers]
        .filter(({ volumeMounts }) => volumeMounts?.some(({ mountPath }) => mountPath === path))
        .map(({ name }) => name);
    expect(listHaving('/run/keelson/keys')).toEqual(['inventory', 'ansible-0']);
    expect(listHaving('/root/.ssh')).toEqual(['inventory', 'ansible-0']);
    expect(volumes.find(({ name }) => name === 'keys')?.projected?.sources).toEqual([
      {
        secret: {
          name: 'cfs-a-01234567-abcdef',
          items: [
            { key: 'id_image', path: 'id_image' },
            { key: 'id_image.pub', path: 'id_image.pub' },
          ],
        },
      },
    ]);
    const content = secrets['cfs-a-01234567-abcdef'];
    expect(new TextDecoder().decode(content?.['id_image'])).toBe('private-half');
    expect(JSON.stringify(job)).not.toContain('private-half');
  });

  test('mounts the Vault token of a tenant where Ansible runs, and nowhere else', () => {
    const { job, secrets } = render(aSettings(), aLaunch({ vaultToken: 's.of-a-tenant' }));
    const holders = job.spec?.template.spec?.volumes?.filter((volume) =>
      JSON.stringify(volume).includes('vault-token'),
    );
    // The volume that only `inventory` and `ansible-0` mount.
    expect(holders?.map(({ name }) => name)).toEqual(['secrets']);
    const content = secrets['cfs-a-01234567-abcdef'];
    expect(new TextDecoder().decode(content?.['vault-token'])).toBe('s.of-a-tenant');
    expect(JSON.stringify(job)).not.toContain('s.of-a-tenant');
  });

  test('mounts the token of its service account only on request, and not while cloning', () => {
    const listHolders = (settings = aSettings()) => {
      const { spec } = render(settings).job.spec?.template ?? {};
      expect(spec?.automountServiceAccountToken).toBe(false);
      return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
        .filter(({ volumeMounts }) =>
          volumeMounts?.some(
            ({ mountPath }) => mountPath === '/var/run/secrets/kubernetes.io/serviceaccount',
          ),
        )
        .map(({ name }) => name);
    };
    expect(listHolders()).toEqual([]);
    expect(listHolders(aSettings('automountServiceAccountToken: true'))).toEqual([
      'inventory',
      'ansible-0',
    ]);
  });

  test('puts plan, token and files into Secrets', () => {
    const { secrets } = render();
    const text = (name: string, key: string) => new TextDecoder().decode(secrets[name]?.[key]);
    expect(Object.keys(secrets)).toEqual([
      'cfs-a-01234567-abcdef',
      'cfs-a-01234567-abcdef-files-0',
    ]);
    expect(text('cfs-a-01234567-abcdef', 'token')).toBe('token-of-the-job');
    expect(JSON.parse(text('cfs-a-01234567-abcdef', 'job.json'))).toMatchObject({
      job_id: 'cfs-a-01234567',
      api_url: 'http://api:8080',
      ansible_playbook: 'ansible-playbook',
    });
    expect(text('cfs-a-01234567-abcdef-files-0', 'inventory.gz')).toBe('packed inventory');
    expect(text('cfs-a-01234567-abcdef-files-0', 'ansible.cfg')).toBe('[defaults]\n');
  });

  test('splits what is too large for one Secret, without losing any of it', () => {
    const inventory = new Uint8Array(2_500_000).map((_, index) => index % 251);
    const { job, secrets } = render(aSettings(), aLaunch({ files: { inventory } }));
    const contents = Object.values(secrets);
    const sizes = contents.map((content) =>
      Object.values(content).reduce((sum, { length }) => sum + length, 0),
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 * 1024);
    const parts = contents
      .flatMap((content) => Object.entries(content))
      .filter(([key]) => key.startsWith('inventory.gz.'))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    expect(parts.map(([key]) => key)).toEqual([
      'inventory.gz.0000',
      'inventory.gz.0001',
      'inventory.gz.0002',
    ]);
    expect(Buffer.concat(parts.map(([, part]) => part)).equals(inventory)).toBe(true);
    const files = job.spec?.template.spec?.volumes?.find(({ name }) => name === 'files');
    expect(files?.projected?.sources?.map(({ secret }) => secret?.name)).toEqual(
      Object.keys(secrets).slice(1),
    );
  });

  test('has no value of a secret', () => {
    expect(JSON.stringify(render(aSettings(EVERYTHING)).job)).not.toContain('token-of-the-job');
  });
});

describe('renderSecret', () => {
  test('is owned by its Job, and removed with it', () => {
    const labels = { 'keelson/job': 'cfs-a-01234567' };
    const owner = { name: 'cfs-a-01234567', uid: 'u1' };
    expect(renderSecret('name', labels, owner, { token: bytes('t') })).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'name',
        labels,
        ownerReferences: [
          {
            apiVersion: 'batch/v1',
            kind: 'Job',
            name: 'cfs-a-01234567',
            uid: 'u1',
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
      },
      type: 'Opaque',
      immutable: true,
      data: { token: 'dA==' },
    });
  });
});

describe('toLabelValue', () => {
  test.each([
    ['compute-v3', 'compute-v3'],
    ['compute v3 / prod', 'compute_v3___prod'],
    ['_a_', 'a'],
    ['ümlaut', 'mlaut'],
    ['-', ''],
    [`${'a'.repeat(59)}.b`, 'a'.repeat(59)],
  ])('makes %p legal', (text, value) => {
    expect(toLabelValue(text)).toBe(value);
  });
});
