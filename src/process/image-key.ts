import { createECDH, createPrivateKey, hkdfSync } from 'node:crypto';
import type { ImageKey } from '../core/image.js';

const CURVE = 'prime256v1';
/** Order of the group of P-256 (SEC 2, 2.4.2). */
const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
/** 64 bits longer than the order, so that the remainder is almost uniform (FIPS 186-5, A.2.1). */
const SEED_BYTES = 40;
const SCALAR_BYTES = 32;

/** Derived from the master key and the job id, so that every worker gets the same key and nobody has to store it. */
export function toImageKey(masterKey: Uint8Array, jobId: string): ImageKey {
  const seed = hkdfSync('sha256', masterKey, '', `image-key:${jobId}`, SEED_BYTES);
  const scalar = (BigInt(`0x${Buffer.from(seed).toString('hex')}`) % (ORDER - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(2 * SCALAR_BYTES, '0'), 'hex');
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  return { privateKey: toPem(d, point), publicKey: toLine(point) };
}

/** In SEC 1 form, which every version of OpenSSH reads. */
function toPem(d: Buffer, point: Buffer): string {
  const [x, y] = [point.subarray(1, 1 + SCALAR_BYTES), point.subarray(1 + SCALAR_BYTES)];
  const [dText, xText, yText] = [d, x, y].map((part) => part.toString('base64url'));
  const key = createPrivateKey({
    format: 'jwk',
    key: { kty: 'EC', crv: 'P-256', d: dText ?? '', x: xText ?? '', y: yText ?? '' },
  });
  return key.export({ format: 'pem', type: 'sec1' }).toString();
}

/** In the format of RFC 5656, 3.1. The comment must be one word, because IMS copies the line into YAML unquoted. */
function toLine(point: Buffer): string {
  const fields = [Buffer.from('ecdsa-sha2-nistp256'), Buffer.from('nistp256'), point];
  const blob = Buffer.concat(fields.flatMap((field) => [toLength(field), field]));
  return `ecdsa-sha2-nistp256 ${blob.toString('base64')} keelson`;
}

function toLength({ length }: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}
