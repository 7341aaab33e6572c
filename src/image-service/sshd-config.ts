import type { JobRecord } from './job-record.js';
import type { WorkPaths } from './work.js';

/** Where sshd finds the image's root, in its own view of mounts: a path that only root may write to, as it demands. */
export const ENVIRONMENT_ROOT = '/run/keelson-image-root';

/** Root alone, by the one key, into the root of the image, and nowhere else. */
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
AuthorizedKeysFile "${ssh.authorizedKeys}"
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

/** Root as the image knows it; the others are this machine's, as sshd needs a user of its own. */
export function renderPasswd(hosts: string, shell: string): string {
  const others = hosts.split('\n').filter((line) => line !== '' && !line.startsWith('root:'));
  return [`root:x:0:0:root:/root:${shell}`, ...others, ''].join('\n');
}

/** No password fits, and the account is not locked: sshd would refuse the key too. */
export const SHADOW = 'root:*:1::::::\n';

/** The shell in root's line of the image's `/etc/passwd`. */
export function findRootShell(passwd: string): string | undefined {
  const line = passwd.split('\n').find((each) => each.startsWith('root:'));
  const shell = line?.split(':')[6]?.trim();
  return shell === '' ? undefined : shell;
}
