import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FOREIGN_DAEMON, IS_ROOT } from '../support/foreign-process.js';
import { waitFor } from '../support/wait.js';
import {
  aCommand,
  createClock,
  createJob,
  daemonize,
  exitOf,
  processesOf,
  PROJECT,
  waitForNothing,
  type JobOptions,
  type TestJob,
} from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

/** As on a machine with too many processes: all forks fail from this one on. */
const FULL = `
import errno, os
fork, left = os.fork, int(os.environ.get("FORKS", "1"))
def fork_unless_full():
    global left
    left -= 1
    if left <= 0:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()
os.fork = fork_unless_full
`;

function aJob(options: JobOptions): TestJob {
  const job = createJob(options);
  jobs.push(job);
  return job;
}

async function isAlive(pid: number, job: TestJob): Promise<boolean> {
  return (await processesOf(job.id)).includes(pid);
}

async function pidIn(job: TestJob, file: string): Promise<number> {
  return waitFor(() => Number(readFileSync(job.path('workspace', file), 'utf8')));
}

/** The wrapper is the only process that the supervisor has started. */
async function wrapperOf(job: TestJob, supervisor: number): Promise<number> {
  return waitFor(async () => {
    for (const pid of await processesOf(job.id)) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (stat.slice(stat.lastIndexOf(')')).split(' ')[2] === String(supervisor)) return pid;
    }
    return undefined;
  });
}

describe('all', () => {
  it('runs the phases in order and says when the job is over', async () => {
    const job = aJob({
      phases: [aCommand('first', 'echo 1 >> order'), aCommand('second', 'echo 2 >> order')],
    });
    await job.run();
    expect(readFileSync(job.path('workspace/order'), 'utf8')).toBe('1\n2\n');
    const [first, second] = [job.phase('first'), job.phase('second')];
    expect(first).toMatchObject({ state: 'ended', exit_code: 0, killed: null, unstarted: null });
    expect((first?.ended_at ?? '') <= (second?.started_at ?? '')).toBe(true);
    expect(first?.started_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(existsSync(job.path('ended'))).toBe(true);
  });

  it('lasts as long as it did, in the right order, although the clock was set back', async () => {
    const clock = createClock();
    const job = aJob({
      phases: [aCommand('first', `touch ${clock.mark}`), aCommand('second', 'true')],
      environment: clock.environment,
    });
    await job.run();
    clock.remove();
    const times = [job.phase('first'), job.phase('second')].flatMap((phase) => [
      phase?.started_at,
      phase?.ended_at,
    ]);
    expect(times).toEqual(times.toSorted());
  });

  it('stops at the first failure and records the others as skipped', async () => {
    const job = aJob({
      phases: [aCommand('good', 'true'), aCommand('bad', 'exit 3'), aCommand('never', 'touch ran')],
    });
    await job.run();
    expect(job.phase('bad')).toMatchObject({ exit_code: 3 });
    expect(job.phase('never')).toMatchObject({
      state: 'ended',
      started_at: null,
      exit_code: null,
      unstarted: 'skipped',
    });
    expect(existsSync(job.path('workspace/ran'))).toBe(false);
  });

  it('removes secrets and keys before it says that the job is over', async () => {
    const job = aJob({
      phases: [aCommand('only', 'cat ssh/id_ecdsa >/dev/null')],
      files: { 'workspace/ssh/id_ecdsa': 'a key', 'secrets/git-ssh-key': 'another' },
    });
    await job.run();
    expect(job.phase('only')).toMatchObject({ exit_code: 0 });
    expect(existsSync(job.path('secrets'))).toBe(false);
    expect(existsSync(job.path('workspace/ssh/id_ecdsa'))).toBe(false);
  });

  it('leaves nothing in the place of a directory that a command has removed', async () => {
    const removes = 'rm -rf "$(cd .. && pwd)"';
    const job = aJob({ phases: [aCommand('only', removes), aCommand('later', 'true')] });
    await job.run();
    expect(existsSync(job.directory)).toBe(false);
  });

  it('needs no file but its own record to run the next phase, and to remove the keys', async () => {
    const job = aJob({
      phases: [aCommand('only', 'rm -r ../job.json ssh; touch ssh'), aCommand('later', 'echo ran')],
      files: { 'workspace/ssh/id_ecdsa': 'a key', 'keys/id_image': 'another' },
    });
    await job.run();
    expect(job.log('later')).toBe('ran\n');
    expect([existsSync(job.path('keys/id_image')), existsSync(job.path('ended'))]).toEqual([
      false,
      true,
    ]);
  });

  it('runs nothing a second time', async () => {
    const job = aJob({ phases: [aCommand('only', 'echo ran >> runs')] });
    await job.run();
    await job.run();
    expect(readFileSync(job.path('workspace/runs'), 'utf8')).toBe('ran\n');
  });

  it.each([1, 2])('ends with the reason if process %d cannot be started', async (count) => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-fork-'));
    writeFileSync(join(folder, 'sitecustomize.py'), FULL);
    const job = aJob({
      phases: [aCommand('only', 'echo ran'), aCommand('later', 'true')],
      environment: { PYTHONPATH: folder, FORKS: String(count) },
    });
    await job.run();
    rmSync(folder, { recursive: true });
    expect(job.log('only')).toBe(
      'ERROR! The phase cannot be run: Resource temporarily unavailable.\n',
    );
    const size = job.log('only').length;
    expect(job.phase('only')).toMatchObject({ exit_code: 79, killed: null, log_bytes: size });
    expect(job.phase('later')).toMatchObject({ unstarted: 'skipped' });
    expect([existsSync(job.path('secrets')), existsSync(job.path('ended'))]).toEqual([false, true]);
  });

  it('leaves no record of itself if it cannot write, and can be started again', async () => {
    const job = aJob({ phases: [aCommand('only', 'echo ran >> runs')] });
    const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)']);
    const script = 'ulimit -f 0; exec "$0" -m job all --directory "$1"';
    const argv = ['-c', script, python.toString().trim(), job.directory];
    const failed = spawn('sh', argv, { cwd: PROJECT, stdio: 'ignore' });
    expect(await exitOf(failed)).not.toBe(0);
    expect(readdirSync(job.directory).filter((name) => name.includes('supervisor'))).toEqual([]);
    await job.run();
    expect(readFileSync(job.path('workspace/runs'), 'utf8')).toBe('ran\n');
  });

  it('leaves a job to the supervisor that runs it', async () => {
    const job = aJob({
      phases: [aCommand('only', 'echo ran >> runs; while [ ! -e go ]; do sleep 0.05; done')],
    });
    const first = job.start();
    await waitFor(() => existsSync(job.path('workspace/runs')));
    expect(await exitOf(job.start())).toBe(0);
    writeFileSync(job.path('workspace/go'), '');
    await exitOf(first);
    expect(readFileSync(job.path('workspace/runs'), 'utf8')).toBe('ran\n');
  });

  it('starts no phase of a job that was stopped before', async () => {
    const job = aJob({
      phases: [aCommand('first', 'touch ran'), aCommand('second', 'touch ran')],
      files: { stopped: '' },
    });
    await job.run();
    expect(job.phase('first')).toMatchObject({
      state: 'ended',
      killed: 'stopped',
      started_at: null,
    });
    expect(job.phase('second')).toMatchObject({ unstarted: 'skipped' });
    expect(existsSync(job.path('workspace/ran'))).toBe(false);
    expect(existsSync(job.path('ended'))).toBe(true);
  });

  it('records its identity', async () => {
    const job = aJob({ phases: [aCommand('only', 'sleep 60')] });
    const supervisor = job.start();
    const identity = await waitFor(
      () =>
        JSON.parse(readFileSync(job.path('supervisor.json'), 'utf8')) as Record<string, unknown>,
    );
    const stat = readFileSync(`/proc/${supervisor.pid}/stat`, 'utf8');
    expect(identity).toEqual({
      pid: supervisor.pid,
      start_time: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]),
      boot_id: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    });
    supervisor.kill('SIGTERM');
    await exitOf(supervisor);
  });
});

describe('stop', () => {
  it('ends a phase that ignores SIGTERM after the grace time, and skips the rest', async () => {
    const job = aJob({
      phases: [
        aCommand('deaf', `trap '' TERM; echo here; while :; do sleep 0.1; done`),
        aCommand('later', 'true'),
      ],
    });
    const supervisor = job.start();
    await job.waitForLog('deaf', 'here');
    supervisor.kill('SIGTERM');
    await exitOf(supervisor);
    expect(job.phase('deaf')).toMatchObject({ exit_code: null, killed: 'stopped' });
    expect(job.phase('later')).toMatchObject({ unstarted: 'skipped' });
    expect(await processesOf(job.id)).toEqual([]);
  });

  it('lets a phase that handles SIGTERM finish its output', async () => {
    const job = aJob({
      phases: [
        aCommand('polite', `trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.1; done`),
      ],
    });
    const supervisor = job.start();
    await job.waitForLog('polite', 'here');
    supervisor.kill('SIGTERM');
    await exitOf(supervisor);
    expect(job.log('polite')).toContain('bye\n');
    expect(job.phase('polite')).toMatchObject({ killed: 'stopped' });
  });

  it('reaches the wrapper even while that starts', async () => {
    const job = aJob({ phases: [aCommand('only', 'sleep 60')] });
    const supervisor = job.start();
    await wrapperOf(job, supervisor.pid ?? 0);
    supervisor.kill('SIGTERM');
    await exitOf(supervisor);
    expect(job.phase('only')).toMatchObject({ state: 'ended', killed: 'stopped' });
    expect(await processesOf(job.id)).toEqual([]);
  });
});

(IS_ROOT ? describe : describe.skip)('process of another user', () => {
  it('does not keep the next phases from running', async () => {
    const later = ['second', 'third'].map((name) => aCommand(name, `echo ${name} >> ran`));
    const job = aJob({ phases: [aCommand('first', FOREIGN_DAEMON), ...later] });
    try {
      expect(await exitOf(job.startWithoutKill('all'))).toBe(0);
      expect(readFileSync(job.path('workspace/ran'), 'utf8')).toBe('second\nthird\n');
      expect(job.log('second')).toBe('');
      expect(existsSync(job.path('ended'))).toBe(true);
    } finally {
      await job.killForeign();
    }
  });

  it('does not keep a phase that is stopped from ending', async () => {
    const job = aJob({ phases: [aCommand('only', `${FOREIGN_DAEMON}; echo here; sleep 300`)] });
    try {
      const supervisor = job.startWithoutKill('all');
      await job.waitForLog('only', 'here');
      supervisor.kill('SIGTERM');
      await exitOf(supervisor);
      expect(job.phase('only')).toMatchObject({ state: 'ended', killed: 'stopped' });
      expect(existsSync(job.path('ended'))).toBe(true);
    } finally {
      await job.killForeign();
    }
  });
});

describe('vanished', () => {
  const busy = () =>
    aCommand(
      'busy',
      `echo '{"hosts": []}' > "$KEELSON_RESULTS"; ${daemonize(300)}; echo $$ > pid; echo here; exec sleep 300`,
    );

  it('supervisor: the wrapper ends the phase and everything below it', async () => {
    const job = aJob({ phases: [busy(), aCommand('later', 'touch ran')] });
    const supervisor = job.start();
    await job.waitForLog('busy', 'here');
    supervisor.kill('SIGKILL');
    await waitForNothing(job.id);
    expect(job.phase('busy')).toMatchObject({ state: 'ended', killed: 'lost' });
    expect(existsSync(job.path('ended'))).toBe(false);
    expect(existsSync(job.path('workspace/ran'))).toBe(false);
  });

  it('wrapper: the supervisor ends what is left and records the phase as lost', async () => {
    const job = aJob({ phases: [busy(), aCommand('later', 'touch ran')] });
    const supervisor = job.start();
    const command = await pidIn(job, 'pid');
    await job.waitForLog('busy', 'here');
    process.kill(await wrapperOf(job, supervisor.pid ?? 0), 'SIGKILL');
    await exitOf(supervisor);
    expect(await isAlive(command, job)).toBe(false);
    expect(await processesOf(job.id)).toEqual([]);
    expect(job.phase('busy')).toMatchObject({ state: 'ended', killed: 'lost', log_bytes: 5 });
    expect(job.phase('later')).toMatchObject({ unstarted: 'skipped' });
    expect(readdirSync(job.path('results'))).toEqual([]);
    expect(existsSync(job.path('ended'))).toBe(true);
  });

  it('both at once: the command ends too, and what left its session has the mark of the job', async () => {
    const job = aJob({ phases: [busy()] });
    const supervisor = job.start();
    const command = await pidIn(job, 'pid');
    await job.waitForLog('busy', 'here');
    const wrapper = await wrapperOf(job, supervisor.pid ?? 0);
    process.kill(supervisor.pid ?? 0, 'SIGSTOP');
    process.kill(wrapper, 'SIGKILL');
    supervisor.kill('SIGKILL');
    await waitFor(async () => !(await isAlive(command, job)));
    const left = await processesOf(job.id);
    expect(left).toHaveLength(1);
    left.forEach((pid) => process.kill(pid, 'SIGKILL'));
    await waitForNothing(job.id);
  });
});
