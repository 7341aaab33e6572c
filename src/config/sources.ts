import type { GitProxy } from '../core/git-proxy.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { EnvironmentReader } from './environment.js';

/** The address on a Cray system. */
export const DEFAULT_HSM_URL = 'http://cray-smd/hsm/v2';

/** Where sessions get their input: git repositories, the hardware state manager, images, credentials, tenants. */
export interface SourceConfig {
  /** Schemes that the URL of a repository may have, as in git's GIT_ALLOW_PROTOCOL: `https:ssh`. */
  readonly gitProtocols: string;
  readonly gitProxy?: GitProxy;
  /** In the format of git-credential-store. */
  readonly gitCredentialsFile?: string;
  readonly gitCaFile?: string;
  readonly gitSshKeyFile?: string;
  readonly gitKnownHostsFile?: string;
  readonly hsmUrl: string;
  readonly hsmTokenFile?: string;
  readonly hsmCaFile?: string;
  /** YAML file with the data of a hardware state manager, read instead of asking one. */
  readonly inventoryFile?: string;
  /** Includes the path prefix. Absent: no image sessions. `npm start` sets the URL of its own image service. */
  readonly imsUrl?: string;
  readonly imsTokenFile?: string;
  readonly imsCaFile?: string;
  /** Holds the credentials of sources for which the database knows only the name of a secret. */
  readonly vault?: VaultConfig;
  /** Directory of the certificate authorities that `ca_cert` of a source names. */
  readonly sourceCaDirectory?: string;
  /** The tenant service. Absent: there are no tenants. */
  readonly tapmsUrl?: string;
}

export interface VaultConfig {
  readonly url: string;
  readonly caFile?: string;
  /** Absent: the worker logs in with the token of a Kubernetes service account. */
  readonly tokenFile?: string;
  /** The token of that service account. Absent: the pod's own. */
  readonly jwtFile?: string;
  /** The role for that login. Absent: the name of the pod's namespace, from the file beside the token. */
  readonly role?: string;
}

export function parseSources(read: EnvironmentReader): SourceConfig {
  return omitUndefined({
    gitProtocols: read.text('GIT_ALLOW_PROTOCOL') ?? 'https:ssh',
    gitProxy: parseGitProxy(read),
    gitCredentialsFile: read.file('GIT_CREDENTIALS_FILE'),
    gitCaFile: read.file('GIT_CA_FILE'),
    gitSshKeyFile: read.file('GIT_SSH_KEY_FILE'),
    gitKnownHostsFile: read.file('GIT_KNOWN_HOSTS_FILE'),
    hsmUrl: read.url('HSM_URL') ?? DEFAULT_HSM_URL,
    hsmTokenFile: read.file('HSM_TOKEN_FILE'),
    hsmCaFile: read.file('HSM_CA_FILE'),
    inventoryFile: read.file('INVENTORY_FILE'),
    imsUrl: read.url('IMS_URL'),
    imsTokenFile: read.file('IMS_TOKEN_FILE'),
    imsCaFile: read.file('IMS_CA_FILE'),
    vault: parseVault(read),
    sourceCaDirectory: read.file('SOURCE_CA_DIRECTORY'),
    tapmsUrl: read.url('TAPMS_URL'),
  });
}

function parseGitProxy(read: EnvironmentReader): GitProxy | undefined {
  const url = read.url('GIT_PROXY');
  return url === undefined ? undefined : { url, noProxy: read.text('GIT_NO_PROXY') ?? '' };
}

function parseVault(read: EnvironmentReader): VaultConfig | undefined {
  const url = read.url('VAULT_ADDR');
  if (url === undefined) return undefined;
  return omitUndefined({
    url,
    tokenFile: read.file('VAULT_TOKEN_FILE'),
    jwtFile: read.file('VAULT_JWT_FILE'),
    role: read.text('VAULT_ROLE'),
    caFile: read.file('VAULT_CA_FILE'),
  });
}
