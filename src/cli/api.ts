import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** An answer that is a refusal, or (without a status) none at all. */
export class ApiError extends Error {
  readonly status: number | undefined;
  /** How long the service asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  /** When it was answered, by the clock of the service. */
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

  /** Whether the same may be answered otherwise in a moment. */
  get isPassing(): boolean {
    return this.status === undefined || [429, 502, 503, 504].includes(this.status);
  }
}

/** Codes of Node and OpenSSL for a certificate that is not trusted. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_/;

export interface Api {
  /** Where it is, for messages. */
  readonly url: string;
  /** The answer's JSON, of which the caller says what it is; undefined where there is no body. */
  ask<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** An answer that is read as it comes; `signal` ends it before the API's own does. */
  open(
    path: string,
    headers?: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Response>;
}

export interface ApiOptions {
  /** Below which `/v3` is. */
  readonly url: string;
  readonly tokenFile?: string;
  /** PEM, of an authority that is trusted beside those of the platform. */
  readonly caFile?: string;
  readonly signal: AbortSignal;
}

export function createApi({ url, tokenFile, caFile, signal }: ApiOptions): Api {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Error(`"${url}" is not an http or https URL: --url or KEELSON_URL.`);
  const base = url.replace(/\/+$/, '');
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  if (caFile !== undefined)
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(caFile, 'utf8')]);

  const send = async (method: string, path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    let response;
    try {
      response = await fetch(`${base}${path}`, { signal, ...init, method, headers });
    } catch (error) {
      (init.signal ?? signal).throwIfAborted();
      const cause = toCause(error);
      const hint = CERTIFICATE.test(cause)
        ? '--ca-file or KEELSON_CA_FILE names the authority that its certificate is from'
        : '--url or KEELSON_URL says where the API is';
      throw new ApiError(`No answer from ${base} (${cause}): ${hint}.`);
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
        text = await response.text();
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

/** What is no token is not shown: it may have some, as the service's own file has. */
function readToken(file: string): string {
  const token = readFileSync(file, 'utf8').trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error(
    `${file} does not hold one token and nothing else: --token-file or KEELSON_TOKEN_FILE.`,
  );
}

function isWanted(
  { status, headers }: Response,
  { accept = '' }: Readonly<Record<string, string>>,
) {
  return status === 204 || (headers.get('content-type') ?? '').startsWith(accept);
}

/** Whatever else answers at an address, such as the page of a login, has no JSON. */
function readJson(text: string, { status, url }: Response): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw toForeign(status, url);
  }
}

function toForeign(status: number, url: string): ApiError {
  return new ApiError(
    `What answers at ${url} is not the API: --url or KEELSON_URL says where it is.`,
    { status },
  );
}

async function toRefusal(response: Response, request: string): Promise<ApiError> {
  const { status } = response;
  const text = await response.text().catch(() => '');
  const said = readDetail(text) ?? `${request} was answered with status ${status}.`;
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

/** Undefined: it is no problem document, as that of a gateway before the service. */
function readDetail(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: unknown };
    return typeof detail === 'string' && detail !== '' ? detail : undefined;
  } catch {
    return undefined;
  }
}

/** What `fetch` says first is only that it failed. */
export function toCause(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  const { code, message } = (cause ?? error) as {
    readonly code?: string;
    readonly message?: string;
  };
  return code ?? message ?? String(error);
}
