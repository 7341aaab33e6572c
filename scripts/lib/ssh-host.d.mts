export interface SshHost {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly address: string;
  readonly user: string;
  /** The host's world: HOME and KEELSON_WORLD of everything that runs on it. */
  readonly directory: string;
  readonly hostKey: string;
  readonly userKeyFile: string;
  /** What an Ansible inventory says about the host: address, port, user, key, interpreter, remote_tmp. */
  readonly variables: Readonly<Record<string, string | number>>;
  serverLog(): string;
  processes(): number[];
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export interface SshHostOptions {
  readonly name: string;
  /** Made anew when absent. */
  readonly directory?: string;
  /** Private key whose public half lies beside it; made when absent. */
  readonly userKeyFile?: string;
  /** A free one when absent. Set it to start a stopped host again. */
  readonly port?: number;
  /** It goes on when the process that started it ends; otherwise it ends with it. */
  readonly outlives?: boolean;
}

export function startSshHost(options: SshHostOptions): Promise<SshHost>;
export function findHostProcesses(base: string): number[];
export function createKey(file: string): void;
export function findPython(): string;
export function findServer(): string;
export function findFreePort(): Promise<number>;
