/** How git reaches repositories over HTTP if not directly. */
export interface GitProxy {
  /** Of an HTTP proxy. Without credentials: everyone who may read a plan sees it. */
  readonly url: string;
  /** Names of hosts and domains that are reached directly, separated by commas, as in the variable `no_proxy`. */
  readonly noProxy: string;
}
