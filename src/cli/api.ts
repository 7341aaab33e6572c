import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { readText } from './body.js';

/** An answer with a status other than 2xx, or, without `status`, no answer. */
export class ApiError extends Error {
  readonly status: number | undefined;
  /** From `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  /** Time of the answer, by the service's clock. */
  readonly date: number | undefined;

  constructor(
    message: string,
    {
      status,
      retryAfterMs,
      date,
    }: Partial<Pick<ApiError, 'status' | 'retryAfterMs' | 'date'>> = {},
  ) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.date = date;
  }

  /** Whether repeating the request may help. */
  get isPassing(): boolean {
    return this.status === undefined || [429, 502, 503, 504].includes(this.status);
  }
}

const SLOW_MS = 3_000;

/** Codes of Node and OpenSSL for a certificate that is not trusted. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_/;

export interface Api {
  /** For messages. */
  readonly url: string;
  /** Returns the JSON of the answer, or undefined if it has no body. `T` is not checked. */
  ask<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Returns an answer that is read as it comes. `signal` aborts it, as does the signal of `createApi`. */
  open(
    path: string,
    headers?: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Response>;
}

export interface ApiOptions {
  /** Base URL, without `/v3`. */
  readonly url: string;
  readonly tokenFile?: string;
  /** PEM of a certificate authority that is trusted in addition to the platform's. */
  readonly caFile?: string;
  /** How long to wait for an answer to begin. Default: by the request. */
  readonly answerMs?: number;
  /** Told what a request waits for that makes the service ask git servers, if that takes longer than `slowMs`. */
  readonly notify?: (line: string) => void;
  readonly slowMs?: number;
  readonly signal: AbortSignal;
}

export function createApi({
  url,
  tokenFile,
  caFile,
  answerMs,
  notify = () => undefined,
  slowMs = SLOW_MS,
  signal,
}: ApiOptions): Api {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Error(`"${url}" is not an http or https URL: --url or KEELSON_URL.`);
  const base = url.replace(/\/+$/, '');
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  if (caFile !== undefined)
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(caFile, 'utf8')]);

  const send = async (method: string, path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const late = new AbortController();
    const limitMs = answerMs ?? toLimitMs(method, path);
    const timer = setTimeout(() => late.abort(), limitMs);
    const slow = setTimeout(() => {
      if (asksGit(method, path)) notify('Waiting: the service asks the git servers …');
    }, slowMs);
    const wished = init.signal ?? signal;
    let response;
    try {
      const signals = AbortSignal.any([wished, late.signal]);
      response = await fetch(`${base}${path}`, { ...init, signal: signals, method, headers });
    } catch (error) {
      wished.throwIfAborted();
      if (late.signal.aborted)
        throw new ApiError(`No answer from ${base} within ${limitMs / 1_000} s.`);
      const cause = toCause(error);
      const hint = CERTIFICATE.test(cause)
        ? '--ca-file or KEELSON_CA_FILE names the certificate authority to trust'
        : '--url or KEELSON_URL sets the URL of the API';
      throw new ApiError(`No answer from ${base} (${cause}): ${hint}.`);
    } finally {
      clearTimeout(timer);
      clearTimeout(slow);
    }
    if (!response.ok) throw await toRefusal(response, `${method} ${path}`);
    return response;
  };
  return {
    url: base,
    async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
      const response = await send(method, path, {
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: {
          accept: 'application/json, application/problem+json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
      });
      let text;
      try {
        text = await readText(response.body);
      } catch (error) {
        signal.throwIfAborted();
        throw new ApiError(`The answer from ${base} broke off (${toCause(error)}).`);
      }
      return (text === '' ? undefined : readJson(text, response)) as T;
    },
    async open(path, headers = {}, own = signal) {
      const response = await send('GET', path, { headers, signal: AbortSignal.any([own, signal]) });
      if (!isWanted(response, headers)) {
        await response.body?.cancel();
        throw toForeign(response.status, response.url);
      }
      return response;
    },
  };
}

/** The service asks git servers for up to a minute; it answers any other request within seconds, if only with 503. */
function toLimitMs(method: string, path: string): number {
  return asksGit(method, path) ? 90_000 : 30_000;
}

function asksGit(method: string, path: string): boolean {
  return method === 'PUT' || path.endsWith('/apply');
}

/** Does not show a wrong content, because it may contain tokens: somebody may name the service's own file. */
function readToken(file: string): string {
  const token = readFileSync(file, 'utf8').trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error(
    `${file} must contain one token and nothing else: --token-file or KEELSON_TOKEN_FILE.`,
  );
}

function isWanted(
  { status, headers }: Response,
  { accept = '' }: Readonly<Record<string, string>>,
) {
  return status === 204 || (headers.get('content-type') ?? '').startsWith(accept);
}

/** If something other than the API answers, such as a login page, the answer is not JSON. */
function readJson(text: string, { status, url }: Response): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw toForeign(status, url);
  }
}

function toForeign(status: number, url: string): ApiError {
  return new ApiError(
    `The server at ${url} is not the API: --url or KEELSON_URL sets the URL of the API.`,
    { status },
  );
}

async function toRefusal(response: Response, request: string): Promise<ApiError> {
  const { status } = response;
  const text = await readText(response.body).catch(() => '');
  const detail = readDetail(text);
  // The API says what it does not find.
  if (status === 404 && detail === undefined) return toForeign(status, response.url);
  const said = detail ?? `${request} was answered with status ${status}.`;
  const hint =
    status === 401 ? ' --token-file or KEELSON_TOKEN_FILE names a file with a token.' : '';
  const seconds = Number(response.headers.get('retry-after'));
  const date = Date.parse(response.headers.get('date') ?? '');
  return new ApiError(`${said}${hint}`, {
    status,
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
    ...(Number.isNaN(date) ? {} : { date }),
  });
}

/** Undefined if the text is not a problem document, for example if a gateway answered. */
function readDetail(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: unknown };
    return typeof detail === 'string' && detail !== '' ? detail : undefined;
  } catch {
    return undefined;
  }
}

/** The error of `fetch` says only that it failed; its cause says why. */
export function toCause(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  const { code, message } = (cause ?? error) as {
    readonly code?: string;
    readonly message?: string;
  };
  return code ?? message ?? String(error);
}
