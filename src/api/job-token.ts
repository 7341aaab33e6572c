import { createHmac } from 'node:crypto';

/** The bearer token with which one job delivers, and nothing else. It is derived from the master key, so it is not stored. */
export function toJobToken(masterKey: Uint8Array, jobId: string): string {
  return createHmac('sha256', masterKey).update(`job:${jobId}`).digest('base64url');
}
