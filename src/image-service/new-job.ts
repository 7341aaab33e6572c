import { randomUUID } from 'node:crypto';
import { invalid } from '../core/errors.js';
import type { RouteDependencies } from './dependencies.js';
import { locateRootfs } from './image-links.js';
import type { JobRecord } from './job-record.js';
import type { ImageRecord, KeyRecord } from './records.js';
import type { NewJob } from './wire.js';

/**
 * A line as sshd reads it: type, key, optional comment. Options in front are refused, as they could change what a login may do.
 */
const PUBLIC_KEY = /^(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\r\n]*)?$/;

/** Checks the request in the order in which IMS does, and returns the record of the job. Stores nothing. */
export async function createJobRecord(
  { place, clock, choosePort, enableDkms }: RouteDependencies,
  given: NewJob,
): Promise<JobRecord> {
  const container = findContainer(given);
  if (given.job_type === 'create')
    throw invalid('This service has no recipes, so a job can only customize - job_type');
  const image = await place.images.find(given.artifact_id);
  if (image === undefined) throw invalid(`There is no image ${given.artifact_id} - artifact_id`);
  await locateRootfs(place.bucket, image);
  const key = await place.keys.find(given.public_key_id);
  if (key === undefined)
    throw invalid(`There is no public key ${given.public_key_id} - public_key_id`);
  return {
    id: randomUUID(),
    created: clock(),
    status: 'creating',
    artifactId: image.id,
    publicKeyId: key.id,
    publicKey: checkKey(key),
    archiveName: given.image_root_archive_name,
    arch: image.arch,
    container,
    requireDkms: image.arch === 'aarch64' || (given.require_dkms ?? enableDkms),
    enableDebug: given.enable_debug,
    buildEnvSize: given.build_env_size,
    jobMemSize: given.job_mem_size,
    kernelFileName: given.kernel_file_name ?? toKernelName(image),
    initrdFileName: given.initrd_file_name,
    kernelParametersFileName: given.kernel_parameters_file_name,
    address: await choosePort(),
    resultId: randomUUID(),
  };
}

/** IMS also has environments without a jail, by default. No client that runs sessions uses them. */
function findContainer({ ssh_containers: containers }: NewJob): JobRecord['container'] {
  const [container, ...more] = containers ?? [];
  if (more.length > 0) throw invalid('A job has at most one SSH container - ssh_containers');
  if (container?.jail !== true)
    throw invalid('This service has jailed environments only - ssh_containers.0.jail');
  return container.name === undefined ? {} : { name: container.name };
}

function checkKey({ id, publicKey }: KeyRecord): string {
  const line = publicKey.trim();
  if (!PUBLIC_KEY.test(line))
    throw invalid(`The public key ${id} is not one key in one line - public_key_id`);
  return line;
}

function toKernelName({ arch }: ImageRecord): string {
  return arch === 'aarch64' ? 'Image' : 'vmlinuz';
}
