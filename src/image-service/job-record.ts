import type { ProcessIdentity } from '../runner/process-identity.js';
import type { Arch } from './records.js';

export type JobStatus =
  'creating' | 'fetching_image' | 'waiting_on_user' | 'packaging_artifacts' | 'success' | 'error';

export interface SshAddress {
  readonly host: string;
  readonly port: number;
}

/** What a customize job was asked for, and its progress. */
export interface JobRecord {
  readonly id: string;
  readonly created: string;
  readonly status: JobStatus;
  readonly artifactId: string;
  readonly publicKeyId: string;
  /** Copied when the job was made, because the record of the key may be deleted. */
  readonly publicKey: string;
  /** The name of the new image. */
  readonly archiveName: string;
  readonly arch: Arch;
  readonly container: { readonly name?: string };
  readonly requireDkms: boolean;
  readonly enableDebug: boolean;
  readonly buildEnvSize: number;
  readonly jobMemSize: number;
  readonly kernelFileName: string;
  readonly initrdFileName: string;
  readonly kernelParametersFileName: string;
  readonly address: SshAddress;
  /** The id that the new image will have. Chosen beforehand, so that a half-made image can be found by it. */
  readonly resultId: string;
  /** The id of the new image, once it exists. */
  readonly resultantImageId?: string;
  /** The first process of the environment, while the job waits for its user. */
  readonly environment?: ProcessIdentity;
  /** Why the job ended in `error`. */
  readonly message?: string;
}

export function isOver({ status }: JobRecord): boolean {
  return status === 'success' || status === 'error';
}

/** The mark by which the processes of a job are found, whoever started them. */
export function toMark(id: string): string {
  return `image-${id}`;
}
