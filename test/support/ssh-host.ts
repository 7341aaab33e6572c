export { createKey, findFreePort, findPython, startSshHost } from '../../scripts/lib/ssh-host.mjs';
export type { SshHost, SshHostOptions } from '../../scripts/lib/ssh-host.mjs';
