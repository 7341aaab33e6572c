import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { ServiceError, type Fault, type Reason } from '../core/errors.js';

export interface JsonRequest {
  readonly url: string;
  /** Who answers, for messages: "The hardware state manager". */
  readonly service: string;
  /** Why a session fails that cannot do without the answer. */
  readonly reason: Reason;
  /** Never part of a message. */
  readonly token?: string;
  /** PEM; replaces the platform's certificate authorities. */
  readonly ca?: string;
  /** Of the whole call, body included. */
  readonly timeoutSeconds: number;
  readonly maxBytes: number;
}

/**
 * GETs a JSON document. No answer, a time-out or a 5xx is fault `unavailable`, worth repeating; every other answer but 200,
 * and a body that is too long or not JSON, is `rejected`. The signal's own reason is thrown as it is.
 */
export async function fetchJson(request: JsonRequest, signal: AbortSignal): Promise<unknown> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(request.timeoutSeconds * 1000);
  try {
    const response = await send(request, AbortSignal.any([signal, deadline]));
    requireOk(request, response);
    return parseJson(request, await readBody(request, response));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServiceError) throw error;
    if (deadline.aborted)
      throw fault(request, 'unavailable', `did not answer within ${request.timeoutSeconds} s`);
    throw toFault(request, error);
  }
}

function send(request: JsonRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, token, ca } = request;
  const start = url.startsWith('https:') ? requestHttps : requestHttp;
  const headers = {
    accept: 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    start(url, { headers, signal, agent: false, ...(ca === undefined ? {} : { ca }) })
      .on('response', resolve)
      .on('error', reject)
      .end();
  });
}

function requireOk(request: JsonRequest, response: IncomingMessage): void {
  const status = response.statusCode ?? 0;
  if (status === 200) return;
  response.destroy();
  const isWorthRepeating = status >= 500 || status === 408 || status === 429;
  throw fault(
    request,
    isWorthRepeating ? 'unavailable' : 'rejected',
    `answered with status ${status}`,
  );
}

async function readBody(request: JsonRequest, response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > request.maxBytes)
      throw fault(request, 'rejected', `answered with more than ${request.maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(request: JsonRequest, body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw fault(request, 'rejected', 'answered with something that is not JSON', error);
  }
}

/** Codes of Node and OpenSSL for a certificate that no repetition will make acceptable. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/;

function toFault(request: JsonRequest, error: unknown): ServiceError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  if (CERTIFICATE.test(code))
    return fault(request, 'rejected', `cannot be trusted over TLS (${code})`, error);
  return fault(request, 'unavailable', `could not be reached (${code})`, error);
}

function fault(request: JsonRequest, kind: Fault, fact: string, cause?: unknown): ServiceError {
  const { service, url, reason } = request;
  return new ServiceError(kind, `${service} at ${url} ${fact}.`, { reason, cause });
}
