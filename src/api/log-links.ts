import type { Options } from '../core/options.js';
import type { ApiDependencies } from './dependencies.js';

/** Returns the link to the log of a session (in CFS, a page of ARA); null if the option `include_ara_links` is off. */
export type LogLinks = (sessionName: string) => string | null;

/** Without PUBLIC_URL, links use the address of the request. */
export function createLogLinks(
  { publicUrl }: Pick<ApiDependencies, 'publicUrl'>,
  requestUrl: string,
  { includeAraLinks }: Pick<Options, 'includeAraLinks'>,
): LogLinks {
  if (!includeAraLinks) return () => null;
  const base = publicUrl ?? toBase(new URL(requestUrl));
  return (sessionName) => `${base}/v3/sessions/${encodeURIComponent(sessionName)}/logs`;
}

function toBase({ origin, pathname }: URL): string {
  return pathname.startsWith('/apis/cfs/') ? `${origin}/apis/cfs` : origin;
}
