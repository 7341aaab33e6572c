import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';

const CONNECT_MS = 5000;
const IDLE_MS = 30_000;
const REDIRECTS = 5;

/** The server cannot be reached or does not have the file, so another way may be tried. */
export class Unreachable extends Error {}

/**
 * The answer to a GET, its body not yet read.
 * @param {string} url @returns {Promise<import('node:http').IncomingMessage>}
 */
export async function openDownload(url, left = REDIRECTS) {
  const response = await get(url);
  const { statusCode = 0, headers } = response;
  if (statusCode === 200) return response;
  response.resume();
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined && left > 0) {
    return openDownload(new URL(headers.location, url).href, left - 1);
  }
  throw new Unreachable(`answered ${statusCode}`);
}

/** @param {string} url @returns {Promise<import('node:http').IncomingMessage>} */
function get(url) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).get(url, { agent: false }, resolve);
    request.setTimeout(IDLE_MS, () => request.destroy(new Error(`silent for ${IDLE_MS / 1000} s`)));
    const timer = setTimeout(
      () => request.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)),
      CONNECT_MS,
    );
    const connected = url.startsWith('https:') ? 'secureConnect' : 'connect';
    request.once('socket', (socket) => socket.once(connected, () => clearTimeout(timer)));
    request.once('close', () => clearTimeout(timer));
    request.once('error', (error) => reject(new Unreachable(error.message)));
  });
}

/** @param {string} url */
export async function fetchText(url) {
  let text = '';
  for await (const chunk of (await openDownload(url)).setEncoding('utf8')) text += chunk;
  return text;
}

/**
 * Writes the body and returns its SHA-256.
 * @param {import('node:http').IncomingMessage} body @param {string} file @param {(bytes: number) => void} onBytes
 */
export async function saveBody(body, file, onBytes) {
  const hash = createHash('sha256');
  body.on('data', (chunk) => {
    hash.update(chunk);
    onBytes(chunk.length);
  });
  await pipeline(body, createWriteStream(file));
  return hash.digest('hex');
}
