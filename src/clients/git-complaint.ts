import { ServiceError } from '../core/errors.js';
import type { GitEnd } from './git-process.js';

/** Messages of git and its transports for errors that may pass. They are in English, because git runs with LC_ALL=C. */
const UNREACHABLE = [
  /could not resolve (host|proxy)/i,
  /temporary failure in name resolution/i,
  /connection (refused|reset|timed out|closed)/i,
  /failed to connect|couldn't connect/i,
  /(network|host) is unreachable|no route to host/i,
  /operation (timed out|too slow)|timeout was reached/i,
  /(the requested URL returned error:|CONNECT tunnel failed, response|received HTTP code) (408|429|5\d\d)/i,
  /proxy CONNECT aborted/i,
  /hung up unexpectedly|early EOF|empty reply from server|RPC failed/i,
];

/** A disk is full, on our side or the server's. */
const NO_ROOM = /no space left on device|disk quota exceeded|read-only file system/i;

const REFUSED: readonly (readonly [RegExp, string])[] = [
  [
    /CONNECT tunnel failed|from proxy after CONNECT|returned error: 407/i,
    'is refused by the proxy',
  ],
  [
    /authentication failed|could not read (username|password)|access denied|terminal prompts disabled|returned error: 40[13]/i,
    'refused our credentials, or needs some',
  ],
  [/permission denied \(/i, 'refused our SSH key'],
  [/permission denied/i, 'may not be read'],
  [/host key verification failed/i, 'has an SSH host key that is not known'],
  [/certificate|SSL|TLS/, 'has a certificate that is not trusted'],
  [/transport '[^']*' not allowed/i, 'has a scheme that is not allowed here'],
  [/protocol "[^"]*" (not supported|disabled)/i, 'redirects to a scheme that is not allowed here'],
  [
    /not found|returned error: 410|does not appear to be a git repository|does not exist|no such file or directory/i,
    'is not there',
  ],
];

/** The server does not serve commits by hash; it may have this one. */
export function isHashRefused(complaint: string): boolean {
  return /unadvertised object|does not support shallow/i.test(complaint);
}

export function isHashUnknown(complaint: string): boolean {
  return /not our ref|couldn't find remote ref|did not send all necessary objects/i.test(complaint);
}

/** Why a repository could not be read, as a fault with reason GIT_CLONE. */
export function toCloneFault(url: string, end: GitEnd): ServiceError {
  switch (end.kind) {
    case 'timeout':
      return fail('unavailable', url, 'did not answer in time');
    case 'too-long':
      return fail('rejected', url, 'has more branches and tags than can be read');
    case 'unstarted':
      return fail('unavailable', url, `could not be asked: git does not start (${end.code})`);
    case 'exited': {
      const target = findRedirect(end.complaint);
      if (target !== undefined)
        return fail('rejected', url, `redirects to ${target}, where no repository is`);
      const said = toLastWord(end.complaint);
      if (UNREACHABLE.some((pattern) => pattern.test(end.complaint)))
        return fail('unavailable', url, `could not be reached: ${said}`);
      if (NO_ROOM.test(end.complaint))
        return fail('unavailable', url, `could not be read: ${said}`);
      const known = REFUSED.find(([pattern]) => pattern.test(end.complaint));
      return fail('rejected', url, `${known?.[1] ?? 'could not be read'}: ${said}`);
    }
  }
}

/** Where the server sends git instead, usually to a page for logging in. Without the query, which may contain secrets. */
function findRedirect(complaint: string): string | undefined {
  const target = /^ *redirect: ([^\s?#]+)/m.exec(complaint)?.[1];
  return target && hideCredentials(target);
}

/** Removes user and password, which may contain an @, from URLs. */
export function hideCredentials(text: string): string {
  return text.replace(/:\/\/[^/\s]*@/g, '://');
}

/** Advice that git adds to any error. */
const ADVICE =
  /^(fatal: Could not read from remote|Please make sure you have the correct|and the repository exists)/;

/** Git states the cause on its last `fatal:` line; advice follows. */
function toLastWord(complaint: string): string {
  const lines = complaint
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const facts = lines.filter((line) => !ADVICE.test(line));
  const isVerdict = (text: string) => /^(fatal|error|ssh):/.test(text);
  const line = facts.findLast(isVerdict) ?? facts.at(-1) ?? lines.findLast(isVerdict) ?? '';
  return hideCredentials(line.slice(0, 200)) || 'git gave no cause';
}

function fail(kind: 'unavailable' | 'rejected', url: string, fact: string): ServiceError {
  return new ServiceError(kind, `Repository ${hideCredentials(url)} ${fact}`, {
    reason: 'GIT_CLONE',
  });
}
