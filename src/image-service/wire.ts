import { z } from 'zod';
import { omitUndefined } from '../core/omit-undefined.js';
import type { JobRecord } from './job-record.js';
import type { ImageRecord, KeyRecord } from './records.js';

const text = z.string().min(1);
const arch = z.enum(['x86_64', 'aarch64']);
const guid = z.guid().transform((id) => id.toLowerCase());

const TRUE = ['t', 'true', 'on', 'y', 'yes', '1'];
const FALSE = ['f', 'false', 'off', 'n', 'no', '0'];
/** IMS also accepts a boolean as a word or a number. */
const flag = z.preprocess((value) => {
  if (typeof value !== 'string' && typeof value !== 'number') return value;
  const word = String(value).toLowerCase();
  if (TRUE.includes(word)) return true;
  return FALSE.includes(word) ? false : value;
}, z.boolean());
const size = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.int().min(1),
);

const link = z.strictObject({
  path: text,
  etag: z.string().default(''),
  type: z.literal('s3'),
});

/** The documented shape holds one pair; any other map of strings is taken as it is. */
const metadata = z.record(z.string(), z.string()).transform((given): Record<string, string> => {
  const { key, value, ...more } = given;
  if (key === undefined || value === undefined || Object.keys(more).length > 0) return given;
  return { [key]: value };
});

export const newImage = z.strictObject({
  name: text,
  link: link.nullish(),
  arch: arch.default('x86_64'),
  metadata: metadata.default({}),
});

export const imagePatch = z.strictObject({
  link: link.optional(),
  arch: arch.optional(),
  metadata: z
    .discriminatedUnion('operation', [
      z.strictObject({ operation: z.literal('set'), key: text, value: z.string() }),
      z.strictObject({ operation: z.literal('remove'), key: text, value: z.string().optional() }),
    ])
    .optional(),
});

export const newKey = z.strictObject({ name: text, public_key: text });

export const newJob = z.strictObject({
  job_type: z.enum(['create', 'customize']),
  artifact_id: guid,
  public_key_id: guid,
  // IMS creates a file of this name, and fails late if it cannot.
  image_root_archive_name: text.regex(/^[^/\p{Cc}]+$/u, 'Must not hold / or control characters.'),
  ssh_containers: z
    .array(z.strictObject({ name: z.string().optional(), jail: flag.default(false) }))
    .nullish(),
  enable_debug: flag.default(false),
  build_env_size: size.default(60),
  job_mem_size: size.default(8),
  kernel_file_name: text.optional(),
  initrd_file_name: text.default('initrd'),
  kernel_parameters_file_name: text.default('kernel-parameters'),
  require_dkms: flag.optional(),
});

export type NewJob = z.output<typeof newJob>;
export type ImagePatch = z.output<typeof imagePatch>;

export function toImageBody({ id, created, name, link, arch, metadata }: ImageRecord) {
  return { id, created, name, link: link ?? null, arch, metadata };
}

export function toKeyBody({ id, created, name, publicKey }: KeyRecord) {
  return { id, created, name, public_key: publicKey };
}

/** Has all members of IMS. `message` is our own, and is present on failed jobs. */
export function toJobBody(job: JobRecord) {
  return {
    id: job.id,
    created: job.created,
    job_type: 'customize',
    status: job.status,
    artifact_id: job.artifactId,
    public_key_id: job.publicKeyId,
    image_root_archive_name: job.archiveName,
    resultant_image_id: job.resultantImageId ?? null,
    ssh_containers: [
      {
        ...job.container,
        jail: true,
        status: 'pending',
        connection_info: { 'cluster.local': job.address, customer_access: job.address },
      },
    ],
    kernel_file_name: job.kernelFileName,
    initrd_file_name: job.initrdFileName,
    kernel_parameters_file_name: job.kernelParametersFileName,
    build_env_size: job.buildEnvSize,
    job_mem_size: job.jobMemSize,
    enable_debug: job.enableDebug,
    arch: job.arch,
    require_dkms: job.requireDkms,
    remote_build_node: '',
    kubernetes_namespace: null,
    kubernetes_job: null,
    kubernetes_service: null,
    kubernetes_configmap: null,
    kubernetes_pvc: null,
    kubernetes_secret: null,
    ...omitUndefined({ message: job.message }),
  };
}
