import { parse } from 'yaml';
import { z } from 'zod';

/** What a site decides about the pods of jobs: the content of KUBERNETES_SETTINGS_FILE, with members named as in Kubernetes. */
export type PodSettings = z.output<typeof settings>;
export type ResourceSettings = PodSettings['resources']['ansible'];
/** A key of an existing Secret or ConfigMap. */
export interface KeyReference {
  readonly kind: 'secret' | 'configMap';
  readonly name: string;
  readonly key: string;
}

const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'is not a valid object name');
const objectKey = z
  .string()
  .regex(/^[-._a-zA-Z0-9]+$/, 'is not a valid key of a Secret or ConfigMap');
const labelKey = z
  .string()
  .regex(
    /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/,
    'is not a valid key of a label or annotation',
  );
const labelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, 'is not a valid label value');
const quantity = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(
    z
      .string()
      .regex(/^\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?$/, 'is not a valid quantity'),
  );
const quantities = z.record(z.string().min(1), quantity);
const resources = z
  .strictObject({ requests: quantities.exactOptional(), limits: quantities.exactOptional() })
  .readonly();
const id = z.int().min(1).max(2_147_483_647);

const toReference = (kind: KeyReference['kind']) => (given: { name: string; key: string }) => ({
  ...given,
  kind,
});
const secretKey = (key: string) =>
  z
    .strictObject({ name: objectName, key: objectKey.default(key) })
    .transform(toReference('secret'));
const configMapKey = (key: string) =>
  z
    .strictObject({ name: objectName, key: objectKey.default(key) })
    .transform(toReference('configMap'));

const toleration = z.strictObject({
  key: z.string().exactOptional(),
  operator: z.enum(['Exists', 'Equal']).exactOptional(),
  value: z.string().exactOptional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).exactOptional(),
  tolerationSeconds: z.int().exactOptional(),
});

const settings = z
  .strictObject({
    image: z.string().min(1).regex(/^\S+$/, 'contains a space'),
    imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
    imagePullSecrets: z.array(objectName).default([]),
    /** The program in the image. */
    ansiblePlaybook: z.string().min(1).default('ansible-playbook'),
    serviceAccountName: objectName.optional(),
    /** Whether playbooks may act as the service account, as in CFS. */
    automountServiceAccountToken: z.boolean().default(false),
    /** Absent: root, as in CFS. */
    runAsNonRoot: z.strictObject({ user: id, group: id }).optional(),
    /** Playbooks may then write only to the workspace and to `/tmp`. */
    readOnlyRootFilesystem: z.boolean().default(false),
    workspace: z
      .strictObject({ sizeLimit: quantity.optional(), medium: z.enum(['', 'Memory']).default('') })
      .default({ medium: '' }),
    resources: z
      .strictObject({
        clone: resources.default({}),
        inventory: resources.default({}),
        ansible: resources.default({
          requests: { cpu: '500m', memory: '4Gi' },
          limits: { cpu: '8', memory: '6Gi' },
        }),
      })
      .prefault({}),
    nodeSelector: z.record(labelKey, labelValue).default({}),
    tolerations: z.array(toleration).default([]),
    priorityClassName: objectName.optional(),
    labels: z.record(labelKey, labelValue).default({}),
    annotations: z.record(labelKey, z.string()).default({}),
    /** A last resort; must be longer than any session may take. */
    activeDeadlineSeconds: z.int().min(1).optional(),
    hostNetwork: z.boolean().default(false),
    dnsPolicy: z.enum(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default']).optional(),
    mesh: z.enum(['off', 'native']).default('off'),
    /** Keys for the managed hosts. The default keys of the Secrets are those of CFS. */
    sshPrivateKey: secretKey('private').optional(),
    sshPublicKey: secretKey('public').optional(),
    sshCertificate: secretKey('certificate').optional(),
    /** In the format of git-credential-store. */
    gitCredentials: secretKey('credentials').optional(),
    gitSshKey: secretKey('private').optional(),
    gitKnownHosts: configMapKey('known_hosts').optional(),
    /** A volume in which clones keep fetched commits for later jobs. */
    gitCache: z
      .strictObject({
        claimName: objectName,
        maxBytes: z
          .int()
          .min(1)
          .default(2 ** 30),
      })
      .optional(),
    /** Certificate authority of the git servers. Playbooks find it at `/etc/cray/ca/certificate_authority.crt`. */
    certificateAuthority: configMapKey('certificate_authority.crt').optional(),
  })
  .readonly();

/** Throws a plain Error that names what is wrong: while a process starts there is no caller to return a fault to. */
export function parsePodSettings(text: string): PodSettings {
  const result = settings.safeParse(parse(text) ?? {});
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new Error(faults.join('; '));
}
