import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ServiceError } from '../core/errors.js';

/** A receiver of ends of sessions. Only the name may be shown, because URL, headers and secret give access. */
export type Webhook = z.output<typeof webhook>;

/** Limited, because the names are labels of a metric. */
const MOST_WEBHOOKS = 50;
/** Headers that we set ourselves, and those that would truncate the message or send it elsewhere. */
const OWN_HEADERS =
  /^(webhook-.*|content-(type|length|encoding)|transfer-encoding|connection|host|expect|upgrade|te|trailer)$/i;
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

/** Normalized: scheme in lower case, no surrounding blanks. */
const url = z
  .string()
  .refine((text) => {
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    return parsed?.protocol === 'http:' || parsed?.protocol === 'https:';
  }, 'is not an http or https URL')
  .transform((text) => new URL(text).href);

const headers = z.record(
  z
    .string()
    .regex(/^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/, 'has an invalid header name')
    .refine((name) => !OWN_HEADERS.test(name), 'is a header that cannot be set here'),
  z.string().regex(/^[\t\x20-\x7e]*$/, 'is not a valid header value'),
);

/** In the format of standardwebhooks.com: a prefix and base64. */
const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, 'is not whsec_ followed by base64')
  .transform((text) => new Uint8Array(Buffer.from(text.slice('whsec_'.length), 'base64')))
  .refine(
    ({ length }) => length >= MIN_SECRET_BYTES && length <= MAX_SECRET_BYTES,
    `does not have ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
  );

const webhook = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
        'has characters other than a-z, 0-9 and -, or is too long',
      ),
    url,
    headers: headers.default({}),
    /** URL of an HTTP proxy. */
    proxy: url.exactOptional(),
    secret: secret.exactOptional(),
    when: z.enum(['all', 'failed']).default('all'),
    /** `text`: only the member `text`, for receivers that refuse unknown members. */
    format: z.enum(['full', 'text']).default('full'),
    /** Certificate authority, as PEM. */
    ca: z.string().refine(isCertificate, 'is not a PEM certificate').exactOptional(),
  })
  .readonly();

const list = z
  .array(webhook)
  .max(MOST_WEBHOOKS, `has more than ${MOST_WEBHOOKS} entries`)
  .superRefine((entries, context) => {
    const seen = new Set<string>();
    for (const [index, { name }] of entries.entries()) {
      if (seen.has(name))
        context.addIssue({ code: 'custom', path: [index, 'name'], message: 'occurs twice' });
      seen.add(name);
    }
  });

/** Reads the file on every call. Throws `unavailable` if it cannot be used, because somebody may be replacing it. */
export async function readWebhooks(path: string): Promise<readonly Webhook[]> {
  const document = parseYaml(path, await readText(path));
  const parsed = list.safeParse(document ?? []);
  if (parsed.success) return parsed.data;
  throw refuse(path, describeIssue(parsed.error.issues[0], document));
}

/** Checks the first of several certificates. TLS itself accepts any text, and then trusts nobody. */
function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}

function parseYaml(path: string, text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  // The parser's own message may quote the file, and so a secret.
  if (error !== undefined)
    throw refuse(path, `line ${lines.linePos(error.pos[0]).line} is not YAML (${error.code})`);
  try {
    return document.toJS();
  } catch {
    throw refuse(path, 'has an alias that cannot be followed');
  }
}

/** Names the entry and what is wrong with it, but never shows a value. */
function describeIssue(issue: z.core.$ZodIssue | undefined, document: unknown): string {
  const [index, ...members] = issue?.path ?? [];
  const fact = describeFact(issue);
  if (typeof index !== 'number') return `${fact}; it must be a list of webhooks`;
  const entry: unknown = Array.isArray(document) ? document[index] : undefined;
  const name = typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : '';
  const known = isShown(name) ? ` (${name})` : '';
  const place = members.filter(isShown).map((member) => `${member} `);
  return `entry ${index + 1}${known}: ${place.join('')}${fact}`;
}

function describeFact(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === 'unrecognized_keys')
    return ['has an unknown member', ...issue.keys.filter(isShown)].join(', ');
  if (issue?.code === 'invalid_type') return `is missing, or not of type ${issue.expected}`;
  if (issue?.code === 'invalid_value') return `is not one of ${issue.values.join(', ')}`;
  if (issue?.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  return issue?.message ?? 'cannot be used';
}

/** Whether a word looks like a name. Others are not shown: a secret may be in the wrong place. */
function isShown(word: unknown): word is string {
  return typeof word === 'string' && /^[A-Za-z][-_A-Za-z0-9]{0,31}$/.test(word);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ServiceError('unavailable', `WEBHOOKS_FILE: ${path} cannot be read (${code}).`);
  }
}

function refuse(path: string, fact: string): ServiceError {
  return new ServiceError('unavailable', `WEBHOOKS_FILE: ${path}: ${fact}.`);
}
