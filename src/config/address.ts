/** Where a server listens or is reached. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export function isLoopback({ host }: Address): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function toHostPort({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function toUrl(address: Address): string {
  return `http://${toHostPort(address)}`;
}
