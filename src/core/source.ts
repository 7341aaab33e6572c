/** A repository with its own credentials, which layers name instead of a URL. */
export interface Source {
  readonly name: string;
  readonly description?: string;
  readonly cloneUrl: string;
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  readonly lastUpdated: string;
  /** Name of the secret with the credentials. It is ours, or one that somebody else has put into Vault. */
  readonly secretName: string;
  readonly caCert?: CaReference;
}

/** A ConfigMap, in CFS's words. */
export interface CaReference {
  readonly configmapName: string;
  readonly configmapNamespace?: string;
}

export interface SourceCredentials {
  readonly username: string;
  readonly password: string;
}

/** A line for git-credential-store, for every repository on the URL's server. Empty if the URL names no HTTP server. */
export function toCredentialLine(url: string, { username, password }: SourceCredentials): string {
  const server = splitServer(url);
  if (server === undefined) return '';
  const user = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  return `${server.scheme}://${user}@${server.host}\n`;
}

/** Whether a source that moves from one URL to the other would send its credentials to another server. */
export function isOtherServer(from: string, to: string): boolean {
  const [before, after] = [from, to].map(splitServer);
  if (after === undefined) return false;
  return before?.scheme !== after.scheme || before.host.toLowerCase() !== after.host.toLowerCase();
}

/** `host` is as written, with its port. Undefined if the URL names no HTTP server, which alone gets credentials. */
function splitServer(url: string): { readonly scheme: string; readonly host: string } | undefined {
  const [, scheme, host] = /^(https?):\/\/(?:[^/@]*@)?([^/?#]+)/i.exec(url) ?? [];
  return scheme === undefined || host === undefined
    ? undefined
    : { scheme: scheme.toLowerCase(), host };
}
