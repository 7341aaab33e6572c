import type { JobRecord } from './job-record.js';
import type { WorkPaths } from './work.js';

/** Where sshd finds the image's root, inside its own mounts. Only root may write to any part of the path, as sshd demands. */
export const ENVIRONMENT_ROOT = '/run/keelson-image-root';

/** Lets only root log in, only with the one key, and only into the root of the image. */
export function renderSshdConfig(
  { id, arch, address, requireDkms }: JobRecord,
  { ssh }: WorkPaths,
): string {
  const variables = [
    `IMS_JOB_ID=${id}`,
    `IMS_ARCH=${arch}`,
    `IMS_DKMS_ENABLED=${requireDkms ? 'True' : 'False'}`,
    'REMOTE_BUILD_NODE=',
  ];
  return `ListenAddress ${address.host}
Port ${address.port}
HostKey "${ssh.hostKey}"
AuthorizedKeysFile "${ssh.authorizedKeys.replaceAll('%', '%%')}"
ChrootDirectory ${ENVIRONMENT_ROOT}
Subsystem sftp internal-sftp
AllowUsers root
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
DisableForwarding yes
PermitUserRC no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
PidFile none
LogLevel INFO
MaxSessions 100
MaxStartups 100
SetEnv ${variables.join(' ')}
`;
}

/** Takes root from the image and all other users from this machine, because sshd needs a user of its own. */
export function renderPasswd(hosts: string, shell: string): string {
  const others = hosts.split('\n').filter((line) => line !== '' && !line.startsWith('root:'));
  return [`root:x:0:0:root:/root:${shell}`, ...others, ''].join('\n');
}

/** No password matches, but the account is not locked: sshd would then refuse the key too. */
export const SHADOW = 'root:*:1::::::\n';

/** The shell in root's line of the image's `/etc/passwd`. */
export function findRootShell(passwd: string): string | undefined {
  const line = passwd.split('\n').find((each) => each.startsWith('root:'));
  const shell = line?.split(':')[6]?.trim();
  return shell === '' ? undefined : shell;
}
