import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { exists, readText, removeTree } from '../runner/files.js';
import type { ProcessIdentity } from '../runner/process-identity.js';
import { computeMd5 } from './bucket.js';
import { openEnvironment } from './environment.js';
import { removeFlags } from './flags.js';
import { locateRootfs } from './image-links.js';
import { toMark, type JobRecord } from './job-record.js';
import type { Place } from './place.js';
import { lendResolver } from './resolver.js';
import { findKind, resolveInRoot } from './root-path.js';
import { runTool } from './run-tool.js';
import { unpackRoot } from './squashfs.js';
import { findRootShell, renderPasswd, renderSshdConfig, SHADOW } from './sshd-config.js';
import type { ImageTools } from './tools.js';
import type { WorkPaths } from './work.js';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Unpacks the job's image into its work directory and prepares it for the user. The checksum is computed at the same time; if
 * it is wrong, that is the error, whatever unpacking reports.
 */
export async function fetchRoot(
  tools: ImageTools,
  { images, bucket }: Place,
  job: JobRecord,
  work: WorkPaths,
  signal: AbortSignal,
): Promise<void> {
  const image = await images.find(job.artifactId);
  if (image === undefined) throw new Error(`The image ${job.artifactId} no longer exists.`);
  const { file, md5 } = await locateRootfs(bucket, image);
  await removeTree(work.directory);
  await mkdir(work.directory, { recursive: true, mode: 0o700 });
  const [checked, unpacked] = await Promise.allSettled([
    md5 === undefined ? undefined : computeMd5(file, signal),
    unpackRoot(tools, { file, root: work.root }, { mark: toMark(job.id), signal }),
  ]);
  if (checked.status === 'rejected') throw checked.reason;
  if (checked.value !== md5)
    throw new Error(
      `The root of image ${image.id} is damaged: its MD5 is ${checked.value ?? ''}, but the manifest says ${md5 ?? ''}.`,
    );
  if (unpacked.status === 'rejected') throw unpacked.reason;
  await checkRoot(work.root);
  await removeFlags(work.root);
  await lendResolver(work.root, work.resolver);
}

/** Opens the environment for the user of the job. May be repeated with another port. */
export async function exposeRoot(
  tools: ImageTools,
  job: JobRecord,
  work: WorkPaths,
  signal: AbortSignal,
): Promise<ProcessIdentity> {
  await writeSshFiles(tools, job, work, signal);
  const options = { jobId: job.id, work, withMounts: job.requireDkms };
  return openEnvironment(tools, options, signal);
}

/** Refuses a root to which every login would fail, or whose user could not set a flag. */
async function checkRoot(root: string): Promise<void> {
  const { uid, mode } = await stat(root);
  if (uid !== 0 || (mode & WRITABLE_BY_OTHERS) !== 0)
    throw new Error(
      'Other users than root may write to the root of the image, so sshd would refuse logins.',
    );
  if ((await findKind(await resolveInRoot(root, '/tmp'))) !== 'directory')
    throw new Error('The image has no /tmp, where its user creates the file that ends the job.');
}

async function writeSshFiles(
  { 'ssh-keygen': keygen }: ImageTools,
  job: JobRecord,
  work: WorkPaths,
  signal: AbortSignal,
): Promise<void> {
  const { ssh, root } = work;
  const secret = { mode: 0o600 };
  await writeFile(ssh.config, renderSshdConfig(job, work), secret);
  await writeFile(ssh.authorizedKeys, `${job.publicKey.trim()}\n`, secret);
  await writeFile(
    ssh.passwd,
    renderPasswd(await readFile('/etc/passwd', 'utf8'), await findShell(root)),
  );
  await writeFile(ssh.shadow, SHADOW, secret);
  if (await exists(ssh.hostKey)) return;
  const words = ['-q', '-t', 'ed25519', '-N', '', '-C', job.id, '-f', ssh.hostKey];
  await runTool([keygen, ...words], { mark: toMark(job.id), signal });
}

async function findShell(root: string): Promise<string> {
  const passwd = (await readText(await resolveInRoot(root, '/etc/passwd'))) ?? '';
  for (const shell of [findRootShell(passwd), '/bin/sh'])
    if (shell !== undefined && (await findKind(await resolveInRoot(root, shell))) === 'file')
      return shell;
  throw new Error('The image has no shell: neither that of root nor /bin/sh is there.');
}
