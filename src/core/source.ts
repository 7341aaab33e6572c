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
  const [, scheme, host] = /^(https?):\/\/(?:[^/@]*@)?([^/?#]+)/i.exec(url) ?? [];
  if (scheme === undefined || host === undefined) return '';
  const user = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  return `${scheme.toLowerCase()}://${user}@${host}\n`;
}
