import type { Options } from '../core/options.js';
import type { ApiDependencies } from './dependencies.js';

/** Makes the link to the log of a session, which in CFS is a page of ARA. Null where the option `include_ara_links` is off. */
export type LogLinks = (sessionName: string) => string | null;

/** Without PUBLIC_URL the address is the one by which the caller came. */
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
