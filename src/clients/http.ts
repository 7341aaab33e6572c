import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { ServiceError, type ErrorDetails, type Fault, type Reason } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createLookup } from './lookup.js';

export interface JsonRequest {
  readonly url: string;
  /** Appended to the URL, but left out of messages. */
  readonly query?: string;
  /** Name of the service for messages: "The hardware state manager". */
  readonly service: string;
  /** Reason of a session that fails because of this request. */
  readonly reason: Reason;
  /** Never shown in a message. */
  readonly token?: string;
  /** Called if the token is refused (401, 403): whether it may be replaced soon, so that trying again may help. Default: no. */
  readonly mayReplaceToken?: () => boolean;
  /** PEM; replaces the platform's certificate authorities. */
  readonly ca?: string;
  /** Limit of the whole call, including the body of the answer. */
  readonly timeoutSeconds: number;
  readonly maxBytes: number;
  /** Default GET. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Statuses besides 2xx that are returned instead of thrown as faults. */
  readonly alsoAccepted?: readonly number[];
  /**
   * For a service whose answers are all JSON: the fault if there is another answer, because then something else answers in
   * its place, such as a gateway while the service is being replaced.
   */
  readonly foreign?: 'rejected' | 'unavailable';
}

export interface JsonAnswer {
  readonly status: number;
  /** Undefined if the body is empty. */
  readonly body: unknown;
}

/** GETs a JSON document. Any status but 200 is a fault. */
export async function fetchJson(request: JsonRequest, signal: AbortSignal): Promise<unknown> {
  const { status, body } = await exchangeJson(request, signal);
  if (status !== 200) throw fault(request, 'rejected', `answered with status ${status}`);
  if (body === undefined)
    throw fault(request, 'rejected', 'answered with something that is not JSON');
  return body;
}

/**
 * Sends a request once. Throws `unavailable` for no answer, a time-out, 408, 425, 429 and 5xx; the request may still have
 * taken effect. Throws `rejected` for every other status that is not accepted, and for a body that is too long or not JSON.
 * An abort throws the signal's own reason.
 */
export async function exchangeJson(request: JsonRequest, signal: AbortSignal): Promise<JsonAnswer> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(request.timeoutSeconds * 1000);
  try {
    const response = await send(request, AbortSignal.any([signal, deadline]));
    const status = response.statusCode ?? 0;
    const body = await readBody(request, response);
    const isSuccess = status >= 200 && status < 300;
    const isAccepted = request.alsoAccepted?.includes(status) === true;
    if (!isSuccess && (!isAccepted || isForeign(request, body)))
      throw refuse(request, status, body);
    return { status, body: body.length === 0 ? undefined : parseJson(request, body) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServiceError) throw error;
    if (deadline.aborted)
      throw fault(request, 'unavailable', `did not answer within ${request.timeoutSeconds} s`);
    throw toFault(request, error);
  }
}

/** The fault for an answer with a status that is accepted only if the answer says something particular. */
export function toRefusal(request: JsonRequest, { status, body }: JsonAnswer): ServiceError {
  return refuse(request, status, Buffer.from(JSON.stringify(body)));
}

export interface TextPost {
  readonly url: string;
  /** Name for messages. They contain no URL, header or part of the answer, because each may contain secrets. */
  readonly service: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: string;
  /** PEM; replaces the platform's certificate authorities. */
  readonly ca?: string;
  /** URL of an HTTP proxy. */
  readonly proxy?: string;
  /** Limit until the answer begins; its body is not read. */
  readonly timeoutSeconds: number;
}

/**
 * POSTs a text once; any 2xx is success. Throws `unavailable` for no answer, a time-out, 408, 425, 429 and 5xx; the text may
 * still have arrived. `retryAfterSeconds` comes from the answer. Every other status is `rejected`. Redirects are not followed.
 */
export async function postText(post: TextPost, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { service, timeoutSeconds } = post;
  const deadline = AbortSignal.timeout(timeoutSeconds * 1000);
  const end = (kind: Fault, fact: string, details?: ErrorDetails) =>
    new ServiceError(kind, `${service} ${fact}.`, details);
  try {
    const plain = { ...post, method: 'POST', timeoutMs: timeoutSeconds * 1000 };
    const response = await start(plain, AbortSignal.any([signal, deadline]));
    response.on('error', () => undefined).destroy();
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return;
    const fact = `answered with status ${status}`;
    if (!isWorthRepeating(status)) throw end('rejected', fact);
    throw end('unavailable', fact, readRetryAfter(response));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServiceError) throw error;
    if (deadline.aborted) throw end('unavailable', `did not answer within ${timeoutSeconds} s`);
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw end('unavailable', `could not be reached (${code})`);
  }
}

/** The member at this path of an unchecked answer; undefined if there is none. */
export function readMember(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce(
    (inner, name) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Readonly<Record<string, unknown>>)[name]
        : undefined,
    value,
  );
}

function send(request: JsonRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, query = '', token, ca, method = 'GET' } = request;
  const content = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers = omitUndefined({
    accept: 'application/json, application/problem+json',
    'content-type': content === undefined ? undefined : 'application/json',
    authorization: token === undefined ? undefined : `Bearer ${token}`,
  });
  return start({ url: url + query, method, headers, ...omitUndefined({ content, ca }) }, signal);
}

interface PlainRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly content?: string;
  readonly ca?: string;
  readonly proxy?: string;
  /** Limit of a connection through the proxy. */
  readonly timeoutMs?: number;
}

/** Lets the limit of the call end it first, because that message says more. */
const PROXY_MARGIN_MS = 1_000;

const lookup = createLookup();

async function start(
  { url, method, headers, content, ca, proxy, timeoutMs = 0 }: PlainRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  const length = content === undefined ? {} : { 'content-length': Buffer.byteLength(content) };
  const agent = createAgent(url, proxy, timeoutMs + PROXY_MARGIN_MS);
  const options = { method, signal, agent, lookup, ...omitUndefined({ ca }) };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // An aborted request emits no error while it waits for its proxy, so the abort itself must reject.
  const giveUp = () => reject(signal.reason as Error);
  signal.addEventListener('abort', giveUp);
  try {
    request(url, { ...options, headers: { ...headers, ...length } })
      .on('response', resolve)
      .on('error', reject)
      .end(content);
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Every request opens its own connection. */
function createAgent(url: string, proxy: string | undefined, timeout: number): HttpAgent | false {
  if (proxy === undefined) return false;
  return url.startsWith('https:')
    ? new HttpsAgent({ proxyEnv: { HTTPS_PROXY: proxy }, timeout })
    : new HttpAgent({ proxyEnv: { HTTP_PROXY: proxy }, timeout });
}

/** Reads seconds or a date. A date is compared with the `date` of the answer, because both come from the same clock. */
function readRetryAfter({ headers }: IncomingMessage): ErrorDetails {
  const text = headers['retry-after'] ?? '';
  const now = headers.date === undefined ? Date.now() : Date.parse(headers.date);
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1000;
  return seconds > 0 ? { retryAfterSeconds: seconds } : {};
}

function isWorthRepeating(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function refuse(request: JsonRequest, status: number, body: Buffer): ServiceError {
  const fact = `answered with status ${status}${readDetail(body)}`;
  if (status === 401 || status === 403) {
    if (request.mayReplaceToken?.() !== true) return fault(request, 'rejected', fact);
    return fault(request, 'unavailable', `${fact}; trying again, in case the token is replaced`);
  }
  if (isWorthRepeating(status)) return fault(request, 'unavailable', fact);
  if (!isForeign(request, body)) return fault(request, 'rejected', fact);
  return fault(
    request,
    request.foreign ?? 'rejected',
    `${fact} and no JSON, so something else answers in its place`,
  );
}

function isForeign({ foreign }: JsonRequest, body: Buffer): boolean {
  if (foreign === undefined) return false;
  try {
    JSON.parse(body.toString('utf8'));
    return false;
  } catch {
    return true;
  }
}

const MAX_DETAIL = 200;

/** Detail and errors of a problem document in one line, whatever its media type; empty for any other body. */
function readDetail(body: Buffer): string {
  try {
    const problem = JSON.parse(body.toString('utf8')) as Record<string, unknown> | null;
    const said = [problem?.['detail'], problem?.['message'], problem?.['title']];
    const text = said.find((each): each is string => typeof each === 'string' && each !== '');
    const errors = listErrors(problem?.['errors']).join('; ');
    const parts = [text ?? '', errors].map((part) =>
      part.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_DETAIL),
    );
    const shown = parts.filter((part) => part !== '').join(': ');
    return shown === '' ? '' : ` (${shown})`;
  } catch {
    return '';
  }
}

/** The texts in `errors`, which is a list or, for a refused body, an object keyed by member: `ssh_containers.0.color: …`. */
function listErrors(errors: unknown, member = ''): readonly string[] {
  if (typeof errors === 'string') return [member === '' ? errors : `${member}: ${errors}`];
  if (typeof errors !== 'object' || errors === null) return [];
  if (Array.isArray(errors)) return errors.flatMap((each) => listErrors(each, member));
  return Object.entries(errors).flatMap(([name, inner]) =>
    listErrors(inner, member === '' ? name : `${member}.${name}`),
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
    const kind = request.foreign ?? 'rejected';
    throw fault(request, kind, 'answered with something that is not JSON', error);
  }
}

/** Codes of Node and OpenSSL for TLS errors that trying again does not solve. */
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
