/** Host and port. */
const HOST = /^(?:\[[^\]]*\]?|[^:]*)(?::\d*)?$/;

/** Of a URL, a branch or a tag: git has to open paths that contain them, which are no longer. */
const MAX_BYTES = 4096;

/** Says why git must not get this URL; undefined if it may. `allowed` has the format of GIT_ALLOW_PROTOCOL. */
export function findUrlFault(url: string, allowed: string): string | undefined {
  const { scheme } = splitUrl(url);
  const schemes = allowed.split(':');
  const fault = schemes.includes(scheme)
    ? undefined
    : `The scheme ${scheme} is not allowed; allowed are ${schemes.join(', ')} (GIT_ALLOW_PROTOCOL)`;
  return findAddressFault(url) ?? fault;
}

/** Says what makes this URL unfit to be stored and shown, whatever its scheme. */
export function findAddressFault(url: string): string | undefined {
  if (isTooLong(url)) return `A URL must not have more than ${MAX_BYTES} bytes`;
  if (url.startsWith('-')) return 'A URL must not begin with "-"';
  const { scheme, authority } = splitUrl(url);
  const at = authority.lastIndexOf('@');
  if (authority.slice(0, Math.max(at, 0)).includes(':')) return 'A URL must not contain a password';
  // Over HTTP a user name is often a token; credentials come from GIT_CREDENTIALS_FILE.
  if (at >= 0 && scheme.startsWith('http')) return 'A URL must not contain a user name or a token';
  if (authority.slice(at + 1).startsWith('-')) return 'A host must not begin with "-"';
  // Git takes `https::` and `https:///` too, and then finds host, user and password where we do not look for them.
  if (authority === '' && scheme.startsWith('http')) return 'A URL must name a host after "://"';
  // A password with a slash ends the authority early, and its beginning looks like a port.
  if (!HOST.test(authority.slice(at + 1))) return 'The port of a URL must be a number';
  return undefined;
}

/** The same URL without user name and password. */
export function withoutUser(url: string): string {
  return url.replace(/^([a-z0-9][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1');
}

/** Says why git must not get this branch or tag; undefined if it may. */
export function findRefFault(ref: string): string | undefined {
  if (isTooLong(ref)) return `A branch must not have more than ${MAX_BYTES} bytes`;
  return ref.startsWith('-') ? 'A branch must not begin with "-"' : undefined;
}

function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > MAX_BYTES;
}

/** Splits as git does: `scheme://authority/path`, `helper::address`, `user@host:path` (SSH), else a path (file). */
function splitUrl(url: string): { readonly scheme: string; readonly authority: string } {
  const helper = /^(?<scheme>[a-z0-9][a-z0-9+.-]*)::/i.exec(url)?.groups;
  if (helper !== undefined) return { scheme: helper['scheme'] ?? '', authority: '' };
  const full = /^(?<scheme>[a-z0-9][a-z0-9+.-]*):\/\/(?<authority>[^/?#]*)/i.exec(url)?.groups;
  if (full !== undefined) {
    return { scheme: (full['scheme'] ?? '').toLowerCase(), authority: full['authority'] ?? '' };
  }
  const beforePath = url.split('/', 1)[0] ?? '';
  if (!beforePath.includes(':')) return { scheme: 'file', authority: '' };
  const colon = beforePath.indexOf(':', beforePath.lastIndexOf('@') + 1);
  return { scheme: 'ssh', authority: colon < 0 ? beforePath : beforePath.slice(0, colon) };
}
