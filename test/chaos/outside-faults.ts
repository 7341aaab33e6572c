import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PHASES } from '../support/kill-site.js';
import { findAttempts, STEPS } from '../support/kill-steps.js';
import type { Misbehaviour } from '../support/hsm-stand-in.js';
import { startSshHost } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import { stayAway, type Fault } from './fault.js';
import { postUnheard } from './post.js';
import { findJobId, type Stand } from './stand.js';

const MOST_MS = 180_000;

function misbehave(name: string, what: string, misbehaviour: Misbehaviour): Fault {
  return {
    name,
    what: `the hardware state manager ${what}`,
    stand: 'sqlite',
    moments: ['stageInventory'],
    promised: 'untouched',
    way: () => 'posted',
    async strike({ stand: { hsm, cluster }, sessions, letSomeGo }) {
      const before = hsm.requests.length;
      hsm.misbehave.groups = misbehaviour;
      letSomeGo();
      const isSilent = misbehaviour.kind === 'silent';
      await waitFor(
        async () => {
          if (isSilent) return hsm.requests.length > before;
          const attempts = await findAttempts(
            cluster,
            sessions.map((session) => session.name),
          );
          return attempts.every(({ attempt }) => attempt > 2);
        },
        { timeoutMs: MOST_MS, what: 'it to be asked in vain' },
      );
      delete hsm.misbehave.groups;
      // Requests that are still unanswered never get an answer.
      hsm.disconnect();
      return undefined;
    },
  };
}

const stopGit: Fault = {
  name: 'git-down',
  what: 'the git server is down for 1 to 10 s',
  stand: 'sqlite',
  moments: ['resolveConfiguration', 'git-clone-0', 'git-clone-1', 'git-clone-hosts'],
  promised: 'untouched',
  way: (moment) => (moment === 'resolveConfiguration' ? 'unpinned' : 'held'),
  async strike({ stand: { site, cluster }, sessions, random, letSomeGo }) {
    await site.git.stop();
    letSomeGo();
    const asking = sessions.filter(({ way }) => way === 'unpinned').map(({ name }) => name);
    await waitFor(
      async () => (await findAttempts(cluster, asking)).every(({ attempt }) => attempt > 2),
      { timeoutMs: MOST_MS, what: 'it to be asked in vain' },
    );
    await stayAway(1000 * random.between(1, 10));
    await site.git.start();
    return undefined;
  },
};

/** Losing a host is Ansible's to judge: the session fails as HOST_UNREACHABLE, and nothing runs twice. */
const stopSshd: Fault = {
  name: 'sshd-kill',
  what: 'sshd of one host is killed in the play, with its connections',
  stand: 'sqlite',
  moments: ['ansible-0', 'ansible-1'],
  promised: 'unreachable',
  async strike({ stand: { cluster }, letGo, whenOver }) {
    const host = cluster.hosts.at(-1);
    if (host === undefined) throw new Error('There is no host.');
    await host.stop();
    letGo();
    await whenOver();
    const { name, port, userKeyFile, directory } = host;
    await startSshHost({ name, port, userKeyFile, directory: join(directory, '..') });
    return undefined;
  },
};

const killSupervisor: Fault = {
  name: 'supervisor-kill',
  what: 'the supervisor of the job is killed',
  stand: 'sqlite',
  moments: [...PHASES, 'hold'],
  promised: 'lost',
  promisedInHold: 'failed',
  // A phase is held by a process on a host, which does not end with the job.
  holdsOn: true,
  strike({ stand, sessions }) {
    for (const { name } of sessions) process.kill(readSupervisor(stand, name), 'SIGKILL');
    return Promise.resolve(undefined);
  },
};

const repeatPost: Fault = {
  name: 'post-repeated',
  what: 'the client posts five times, and hears no answer',
  stand: 'sqlite',
  moments: ['POST'],
  promised: 'untouched',
  async strike({ stand, sessions }) {
    for (const { name } of sessions) {
      await Promise.all(Array.from({ length: 5 }, () => postUnheard(stand, name)));
      await waitFor(() => stand.cluster.find(name), { timeoutMs: MOST_MS, what: `${name} to be` });
    }
    return undefined;
  },
};

const reset: Fault = {
  name: 'reset',
  what: 'the workflow is reset to its first task',
  stand: 'sqlite',
  moments: [...STEPS, 'start', ...PHASES, 'hold', 'complete'],
  promised: 'untouched',
  async strike({ stand: { cluster }, sessions, letGo }) {
    const { workflow } = await cluster.temporalClient();
    const jobs = sessions.map(({ name }) => findJobId(cluster, name));
    await Promise.all(jobs.map((job) => resetToFirstTask(cluster, job)));
    letGo();
    await Promise.all(jobs.map((job) => workflow.getHandle(job).result()));
    return undefined;
  },
};

async function resetToFirstTask(cluster: Stand['cluster'], workflowId: string): Promise<void> {
  const { workflowService } = await cluster.temporalClient();
  await workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    // The first workflow task ends with the fourth event. The field takes protobuf's Long, not a number.
    workflowTaskFinishEventId: { low: 4, high: 0, unsigned: false } as never,
    reason: 'chaos',
    requestId: `${workflowId}-${Date.now()}`,
  });
}

function readSupervisor({ site }: Stand, name: string): number {
  const file = join(site.jobDirectory(name) ?? '', 'supervisor.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
}

export const outsideFaults: readonly Fault[] = [
  misbehave('hsm-500', 'answers 500', { kind: 'status', status: 500 }),
  misbehave('hsm-silent', 'does not answer', { kind: 'silent' }),
  misbehave('hsm-cut', 'cuts its answers off', { kind: 'cut' }),
  stopGit,
  stopSshd,
  killSupervisor,
  repeatPost,
  reset,
];
