export {
  createKey,
  findFreePort,
  findHostProcesses,
  findPython,
  startSshHost,
} from '../../scripts/lib/ssh-host.mjs';
export type { SshHost, SshHostOptions } from '../../scripts/lib/ssh-host.mjs';
