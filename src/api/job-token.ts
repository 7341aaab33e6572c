import { createHmac } from 'node:crypto';

/** The bearer token by which one job delivers, and nothing else. Nobody has to store it: it follows from the master key. */
export function toJobToken(masterKey: Uint8Array, jobId: string): string {
  return createHmac('sha256', masterKey).update(`job:${jobId}`).digest('base64url');
}
