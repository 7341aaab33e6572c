import { z } from 'zod';
import { isServiceError, ServiceError } from '../core/errors.js';
import type { Image, ImageJob } from '../core/image.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { exchangeJson, readMember, type JsonAnswer, type JsonRequest } from './http.js';
import type { ImageClient, NewImageJob } from './interfaces.js';
import { readSetting, readToken } from './settings.js';

export interface ImsOptions {
  /** Includes the prefix, if there is one: `http://cray-ims`, `https://api.example.org/apis/ims/v3`. */
  readonly url: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  /** Limit of each call. */
  readonly timeoutSeconds: number;
  /** Monotonic milliseconds; only differences matter. */
  readonly clock?: () => number;
}

const SERVICE = 'The image management service';
/** Lists contain every job ever made, at about 2 KiB each. */
const MAX_BYTES = 64 * 1024 * 1024;
/** How long our own image service may wait for a new status before it answers. */
const WAIT_SECONDS = 5;
const MAX_MESSAGE = 300;
/** The network that pods use; our own image service names its address the same. */
const NETWORK = 'cluster.local';

const imageAnswer = z.object({ id: z.string(), name: z.string() });
const keyAnswer = z.object({ id: z.string(), name: z.string(), public_key: z.string() });
const address = z.object({ host: z.string(), port: z.int() });
const jobAnswer = z.object({
  id: z.string(),
  created: z.string().nullish(),
  status: z.string(),
  artifact_id: z.string(),
  resultant_image_id: z.string().nullish(),
  // Not of IMS, so it may have any form there.
  message: z.string().optional().catch(undefined),
  image_root_archive_name: z.string(),
  ssh_containers: z
    .array(
      z.object({
        name: z.string().nullish(),
        connection_info: z.record(z.string(), address).nullish(),
      }),
    )
    .nullish(),
});

type JobAnswer = z.output<typeof jobAnswer>;

interface ImsCall extends Partial<JsonRequest> {
  /**
   * In the first calls of a session a refused token is wrong, and so is the URL if no IMS answers there. In later ones the
   * token may have expired, and IMS may be away behind its gateway. What version 3 has put aside does no harm, so a refusal
   * to remove it for good is accepted at once.
   */
  readonly isRefusalFinal?: boolean;
}

/** A token that is refused for longer than this is not going to be replaced. */
const REPLACING_MS = 600_000;

/** No record has it, so whether it may be removed tells whether others may. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** For POST: if it were aborted, IMS could still create the record later, and nobody would know. */
const uninterrupted = new AbortController().signal;

/**
 * IMS through its unprefixed, v2 or v3 paths, which behave the same for everything used here. IMS creates another record for
 * every repeated POST. So each call looks for an existing record first and sends at most one POST.
 */
export function createImsClient(options: ImsOptions): ImageClient {
  const refusals = createRefusals(options.clock ?? (() => performance.now()));
  const call = (path: string, signal: AbortSignal, request: ImsCall = {}) =>
    callIms({ ...options, refusals }, path, signal, request);
  const isSoft = options.url.endsWith('/v3');
  /** Returns unchecked records of all clients. Only our own are parsed, so that a malformed foreign record does no harm. */
  const list = async (path: string, signal: AbortSignal, request?: ImsCall) => {
    const { body } = await call(path, signal, request);
    return parse(options, path, z.array(z.unknown()), body);
  };
  /** Keys that version 3 has put aside, because their removal was interrupted. None if they may not be listed. */
  const listKeysAside = async (signal: AbortSignal) =>
    isSoft ? list('deleted/public-keys', signal, { isRefusalFinal: true }).catch(toNone) : [];
  const listJobs = async (container: string, signal: AbortSignal) =>
    (await list('jobs', signal))
      .filter((job) => readContainerNames(job).includes(container))
      .map((job) => parse(options, 'jobs', jobAnswer, job))
      .sort(byAge);
  const parseKeys = (keys: readonly unknown[], name: string) =>
    keys
      .filter((key) => readMember(key, 'name') === name)
      .map((key) => parse(options, 'public-keys', keyAnswer, key));
  const remove = async (path: string, signal: AbortSignal, request?: ImsCall) => {
    await call(path, signal, { ...request, method: 'DELETE', alsoAccepted: [404] });
  };
  /** Returns why a record is not removed for good, if IMS refuses that. Some tokens may not, and some gateways have no such path. */
  const removeAside = (path: string, signal: AbortSignal) =>
    remove(`deleted/${path}`, signal, { isRefusalFinal: true }).then(() => undefined, toRefusal);
  return {
    source: options.url,

    async findImage(id, signal): Promise<Image | undefined> {
      const path = `images/${encodeURIComponent(id.toLowerCase())}`;
      const { status, body } = await call(path, signal, {
        isRefusalFinal: true,
        alsoAccepted: [404],
      });
      return status === 404 ? undefined : parse(options, path, imageAnswer, body);
    },

    async ensureKey({ name, publicKey }, signal) {
      const isSame = (key: { public_key: string }) => key.public_key.trim() === publicKey.trim();
      const found = parseKeys(await list('public-keys', signal), name).find(isSame);
      if (found !== undefined) return found.id;
      const body = { name, public_key: publicKey };
      const wish = { isRefusalFinal: true, method: 'POST', body } as const;
      const answer = await call('public-keys', uninterrupted, wish);
      return parse(options, 'public-keys', keyAnswer, answer.body).id;
    },

    async findKeys(name, signal) {
      const keys = await list('public-keys', signal);
      // Read last, because a removal moves keys there.
      const aside = await listKeysAside(signal);
      return parseKeys([...keys, ...aside], name).map(({ id }) => id);
    },

    async removeKey(id, signal) {
      const path = `public-keys/${encodeURIComponent(id)}`;
      await remove(path, signal);
      return isSoft ? removeAside(path, signal) : undefined;
    },

    async ensureJob(job, signal) {
      const found = (await listJobs(job.container, signal)).find(
        (each) =>
          each.artifact_id === job.imageId && each.image_root_archive_name === job.resultName,
      );
      if (found !== undefined) return toImageJob(found, job.container);
      const wish = { isRefusalFinal: true, method: 'POST', body: toJobBody(job) } as const;
      const { body } = await call('jobs', uninterrupted, wish);
      return toImageJob(parse(options, 'jobs', jobAnswer, body), job.container);
    },

    findJobs: async (container, signal) =>
      (await listJobs(container, signal)).map((job) => toImageJob(job, container)),

    async getJob({ id, container, known }, signal) {
      const path = `jobs/${encodeURIComponent(id)}`;
      const query = known === undefined ? '' : toWaitQuery(known, options);
      const { status, body } = await call(path, signal, { query, alsoAccepted: [404] });
      if (status === 404) return undefined;
      return toImageJob(parse(options, path, jobAnswer, body), container);
    },

    removeJob: (id, signal) => remove(`jobs/${encodeURIComponent(id)}`, signal),

    async removeImage(id, signal) {
      const path = `images/${encodeURIComponent(id)}`;
      await remove(path, signal);
      return isSoft ? removeAside(path, signal) : undefined;
    },

    async listNames(signal) {
      const [jobs, keys] = await Promise.all([list('jobs', signal), list('public-keys', signal)]);
      const aside = await listKeysAside(signal);
      const mayRemove =
        aside.length > 0 && (await removeAside(`public-keys/${NO_ID}`, signal)) === undefined;
      const removable = mayRemove ? [...keys, ...aside] : keys;
      return [...jobs.flatMap(readContainerNames), ...removable.flatMap(readName)];
    },
  };
}

async function callIms(
  { url, tokenFile, caFile, timeoutSeconds, refusals }: ImsOptions & { refusals: Refusals },
  path: string,
  signal: AbortSignal,
  { isRefusalFinal = false, ...more }: ImsCall,
): Promise<JsonAnswer> {
  const reason = 'IMAGE_PREPARE';
  const { method = 'GET' } = more;
  const setting = { reason, fault: isRefusalFinal ? 'rejected' : 'unavailable' } as const;
  const [token, ca] = await Promise.all([
    readToken({ variable: 'IMS_TOKEN_FILE', path: tokenFile, ...setting }),
    readSetting({ variable: 'IMS_CA_FILE', path: caFile, ...setting }),
  ]);
  const request: JsonRequest = {
    ...{ url: `${url}/${path}`, service: SERVICE, reason, timeoutSeconds, maxBytes: MAX_BYTES },
    mayReplaceToken: () => !isRefusalFinal && refusals.isRecent(method, token),
    foreign: isRefusalFinal ? 'rejected' : 'unavailable',
    ...omitUndefined({ token, ca }),
    ...more,
  };
  const answer = await exchangeJson(request, signal);
  refusals.forget(method);
  return answer;
}

/** Returns the message of a refusal. Throws every other error. */
function toRefusal(error: unknown): string {
  if (isServiceError(error) && error.fault === 'rejected') return error.message;
  throw error;
}

function toNone(error: unknown): readonly unknown[] {
  toRefusal(error);
  return [];
}

type Refusals = ReturnType<typeof createRefusals>;

/** Remembers since when a token is refused, for each method, because some tokens may read but not delete. */
function createRefusals(clock: () => number) {
  const refused = new Map<string, { readonly token: string | undefined; readonly since: number }>();
  return {
    /** Notes one more refusal. */
    isRecent(method: string, token: string | undefined): boolean {
      const now = clock();
      const known = refused.get(method);
      const since = known !== undefined && known.token === token ? known.since : now;
      refused.set(method, { token, since });
      return now - since < REPLACING_MS;
    },
    forget: (method: string) => void refused.delete(method),
  };
}

/** Parameters of our own image service. IMS ignores them and answers at once. */
function toWaitQuery(known: ImageJob['status'], { timeoutSeconds }: ImsOptions): string {
  const seconds = Math.min(WAIT_SECONDS, Math.floor(timeoutSeconds / 2));
  return `?while_status=${encodeURIComponent(known)}&wait_seconds=${seconds}`;
}

/** `require_dkms` is sent only if it is true; if it is absent, IMS uses its own default. */
function toJobBody({ imageId, resultName, keyId, container, requireDkms }: NewImageJob) {
  return {
    job_type: 'customize',
    image_root_archive_name: resultName,
    artifact_id: imageId,
    public_key_id: keyId,
    ssh_containers: [{ name: container, jail: true }],
    ...(requireDkms ? { require_dkms: true } : {}),
  };
}

function toImageJob(job: JobAnswer, container: string): ImageJob {
  const reached = findContainer(job, container)?.connection_info?.[NETWORK];
  return {
    id: job.id,
    imageId: job.artifact_id,
    status: job.status,
    ...omitUndefined({ address: reached, message: toLine(job.message) }),
    ...(typeof job.resultant_image_id === 'string' ? { resultId: job.resultant_image_id } : {}),
  };
}

/** Undefined if nothing is said. */
function toLine(text = ''): string | undefined {
  const line = text.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE).replace(/\.$/, '');
  return line === '' ? undefined : line;
}

function readContainerNames(job: unknown): readonly string[] {
  const containers = readMember(job, 'ssh_containers');
  return Array.isArray(containers) ? containers.flatMap(readName) : [];
}

function readName(record: unknown): readonly string[] {
  const name = readMember(record, 'name');
  return typeof name === 'string' ? [name] : [];
}

function findContainer({ ssh_containers: containers }: JobAnswer, name: string) {
  return containers?.find((container) => container.name === name);
}

/** Oldest first. IMS writes times with or without an offset; without one, they are UTC. */
function byAge(left: JobAnswer, right: JobAnswer): number {
  return toTime(left.created ?? '') - toTime(right.created ?? '');
}

function toTime(text: string): number {
  return Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
}

function parse<T>({ url }: ImsOptions, path: string, schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = [path, ...(issue?.path ?? [])].join('.');
  throw new ServiceError(
    'rejected',
    `${SERVICE} at ${url} gave an unusable answer: ${where}: ${issue?.message ?? 'not as described'}.`,
    { reason: 'IMAGE_PREPARE' },
  );
}
