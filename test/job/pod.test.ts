import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { aPlaybookPhase } from './ansible-plan.js';
import { aCommand, createJob, PROJECT, TOKEN, type JobOptions, type TestJob } from './harness.js';
import { waitFor } from '../support/wait.js';

let jobs: TestJob[] = [];
afterEach(() => {
  for (const job of jobs) job.remove();
  jobs = [];
});

function open(options: JobOptions): TestJob {
  const job = createJob(options);
  jobs.push(job);
  return job;
}

/** Runs one phase as a container does, with the file in which Kubernetes looks for its result. */
async function runPhase(job: TestJob, phase: string) {
  const child = job.startPhase(phase, 'pipe', '--result', job.path('result'));
  const output = child.stdout === null ? '' : await text(child.stdout);
  if (child.exitCode === null) await once(child, 'exit');
  return { code: child.exitCode, output, result: readFileSync(job.path('result'), 'utf8') };
}

/** How often the process has waited for something. */
function countSleeps(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
}

const inventory = { name: 'inventory', kind: 'inventory', definition: 'spec', timeout_seconds: 0 };
const aKey = '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LWxpbmUtb2YtdGhlLWtleQ==\n-----END';

describe('a phase in a pod', () => {
  test('reports how it ended in the file that Kubernetes reads', async () => {
    const job = open({ phases: [aCommand('one', 'echo here; exit 3')] });
    const { code, output, result } = await runPhase(job, 'one');
    expect(code).toBe(3);
    expect(output).toBe('here\n');
    const told = Object.entries(job.phase('one') ?? {}).filter(([, value]) => value !== null);
    expect(JSON.parse(result)).toEqual(Object.fromEntries(told));
    expect(result).toMatch(/^{"state":"ended","exit_code":3,"log_bytes":5,"log_tail":"/);
    // Short enough for fifty phases in the 12 KiB of a pod.
    expect(Buffer.byteLength(result)).toBeLessThan(12_288 / 50);
  });

  describe('that could not deliver its host results', () => {
    const hosts = (count: number, toMessage: (index: number) => string = String) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ host: `x${index}`, ok: 1, changed: 0, failed: 1, skipped: 0, unreachable: 0 },
        ...{ incomplete: false, task: 'Fails', message: toMessage(index) },
      }));
    /** A text of 1024 characters that hardly shrinks when it is packed. */
    const toNoise = (index: number) =>
      Array.from({ length: 16 }, (_, part) =>
        createHash('sha256').update(`${index} ${part}`).digest('hex'),
      ).join('');

    /** Runs the first of so many phases, and reads the results in its message. */
    async function report(results: readonly object[], phases = 1) {
      const job = open({
        phases: Array.from({ length: phases }, (_, index) =>
          aCommand(`phase-${index}`, 'cp given.json "$KEELSON_RESULTS"; exit 2'),
        ),
        files: { 'workspace/given.json': JSON.stringify({ hosts: results, is_whole: true }) },
      });
      const { result } = await runPhase(job, 'phase-0');
      const message = JSON.parse(result) as { readonly exit_code: number; results?: string };
      const [packed = '', signature] = message.results?.split(':') ?? [];
      const told =
        packed && (JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString()) as object);
      const expected = createHmac('sha256', TOKEN).update(packed).digest('hex');
      return { message, bytes: Buffer.byteLength(result), told, isSigned: signature === expected };
    }

    test('puts them there too, signed', async () => {
      const given = hosts(2, toNoise);
      const { message, told, isSigned } = await report(given);
      expect(message.exit_code).toBe(2);
      expect(told).toMatchObject({ phase: 'phase-0', whole: true, hosts: given });
      expect(isSigned).toBe(true);
    });

    test('shortens texts so that the kubelet cuts nothing', async () => {
      const { told, bytes, isSigned } = await report(hosts(20, toNoise), 4);
      expect(told).toMatchObject({ hosts: hosts(20, (index) => toNoise(index).slice(0, 100)) });
      expect(isSigned).toBe(true);
      expect(bytes).toBeLessThanOrEqual(12_288 / 4);
    });

    test.each([
      ['there are too many hosts', hosts(5000), 1],
      ['there are too many phases', hosts(3), 48],
    ])('leaves them out if %s', async (_, given, phases) => {
      const { message, bytes } = await report(given, phases);
      expect(message).toMatchObject({ state: 'ended', exit_code: 2 });
      expect(message.results).toBeUndefined();
      expect(bytes).toBeLessThanOrEqual(12_288 / phases);
    });
  });

  test('reports the digests by which a part of its log is recognized', async () => {
    const job = open({ phases: [aCommand('one', 'seq 1 1000'), aCommand('two', 'true')] });
    const { output } = await runPhase(job, 'one');
    const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
    const [log_head, log_tail] = [digest(output.slice(0, 1024)), digest(output.slice(-1024))];
    expect(job.phase('one')).toMatchObject({ log_bytes: 3893, log_head, log_tail });
    await runPhase(job, 'two');
    const none = digest('');
    expect(job.phase('two')).toMatchObject({ log_bytes: 0, log_head: none, log_tail: none });
  });

  test('ends only once its output has been read, because a runtime would drop the rest', async () => {
    const job = open({ phases: [aCommand('one', 'seq 1 5000')] });
    execFileSync('mkfifo', [job.path('pipe')]);
    const pipe = openSync(job.path('pipe'), 'r+');
    const child = job.startPhase('one', pipe);
    const exit = once(child, 'exit');
    await waitFor(() => job.phase('one')?.state === 'ended', { what: 'the end of its command' });
    const before = countSleeps(child.pid);
    const hasSlept = () => countSleeps(child.pid) > before + 20;
    await waitFor(() => child.exitCode !== null || hasSlept(), { what: 'its looks at the pipe' });
    expect(child.exitCode).toBeNull();
    const read = readSync(pipe, Buffer.alloc(65_536));
    await exit;
    closeSync(pipe);
    expect(read).toBe(job.log('one').length);
  });

  test('reports that it was stopped', async () => {
    const job = open({ phases: [aCommand('one', 'echo ready; sleep 1000')] });
    const child = job.startPhase('one', 'ignore', '--result', job.path('result'));
    await job.waitForLog('one', 'ready');
    child.kill('SIGTERM');
    await once(child, 'exit');
    const result = JSON.parse(readFileSync(job.path('result'), 'utf8')) as object;
    expect(result).toMatchObject({ state: 'ended', killed: 'stopped' });
  });

  test('puts mounted files where playbooks look, and joins the parts of a large one', async () => {
    const hosts = { all: { children: { lab: { hosts: { x1: {}, x2: {} } } } } };
    const packed = gzipSync(JSON.stringify(hosts));
    const job = open({
      phases: [inventory, aPlaybookPhase(0)],
      files: {
        'files/inventory.gz.0000': packed.subarray(0, 20),
        'files/inventory.gz.0001': packed.subarray(20),
        'files/inventory-notes.gz': gzipSync('noted before\n'),
        'files/ansible.cfg': '[defaults]\nforks = 7\n',
        'keys/id_ecdsa': aKey,
        'keys/id_ecdsa.pub': 'public',
        'keys/id_ecdsa-cert.pub': 'first',
      },
    });
    const { code, output } = await runPhase(job, 'inventory');
    expect(output).toContain('noted before\n');
    expect(output).toContain('Inventory: hosts 2, groups 1');
    expect(code).toBe(0);
    expect(readFileSync(job.path('workspace/ansible.cfg'), 'utf8')).toContain('forks = 7');
    expect(readFileSync(job.path('workspace/ssh/id_ecdsa'), 'utf8')).toBe(aKey);
    expect(statSync(job.path('workspace/ssh/id_ecdsa')).mode & 0o777).toBe(0o600);
    expect(readFileSync(job.path('workspace/ssh/id_ecdsa.pub'), 'utf8')).toBe('public');
    expect(readFileSync(job.path('workspace/home/.ssh/id_ecdsa.pub'), 'utf8')).toBe('public');

    // The Secret is renewed while the job runs, and somebody has put a key of his own into a held job.
    writeFileSync(job.path('keys/id_ecdsa-cert.pub'), 'renewed');
    writeFileSync(job.path('workspace/ssh/id_ecdsa.pub'), 'his own');
    const { output: missing } = await runPhase(job, 'ansible-0');
    expect(missing).toContain('There is no playbook site.yml');
    expect(readFileSync(job.path('workspace/ssh/id_ecdsa-cert.pub'), 'utf8')).toBe('renewed');
    expect(readFileSync(job.path('workspace/ssh/id_ecdsa.pub'), 'utf8')).toBe('his own');
  });

  test('copies a key again that did not fit on the disk', () => {
    const job = open({ phases: [], files: { 'keys/id_ecdsa': aKey } });
    const copy = `import resource, sys
from pathlib import Path
from job.directory import JobDirectory
directory = JobDirectory(Path(sys.argv[1]))
for limit in (8, resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        directory.place_keys()
    except OSError:
        print("full")`;
    const said = execFileSync('python3', ['-c', copy, job.directory], { cwd: PROJECT });
    expect(said.toString()).toBe('full\n');
    expect(readFileSync(job.path('workspace/ssh/id_ecdsa'), 'utf8')).toBe(aKey);
  });

  test('does not show a mounted key', async () => {
    const job = open({
      phases: [aCommand('one', 'cat ../keys/id_ecdsa')],
      files: { 'keys/id_ecdsa': aKey },
    });
    const { output } = await runPhase(job, 'one');
    expect(output).toContain('-----BEGIN');
    expect(output).not.toContain('c2VjcmV0');
  });
});
