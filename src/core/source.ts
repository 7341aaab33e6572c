/** A repository that layers name instead of its URL, with credentials of its own. */
export interface Source {
  readonly name: string;
  readonly description?: string;
  readonly cloneUrl: string;
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  readonly lastUpdated: string;
  /** Names what holds the credentials: ours, or in Vault where somebody else has put it there. */
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

/** A line for git-credential-store, for every repository of the URL's server. Empty where the URL names no server. */
export function toCredentialLine(url: string, { username, password }: SourceCredentials): string {
  const [, scheme, host] = /^(https?):\/\/(?:[^/@]*@)?([^/?#]+)/i.exec(url) ?? [];
  if (scheme === undefined || host === undefined) return '';
  const user = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  return `${scheme.toLowerCase()}://${user}@${host}\n`;
}
