import { describe, expect, test } from '@jest/globals';
import { EXIT, type HostResult, type PhaseResult } from '../../src/core/job.js';
import { toOutcome, type HostSummary, type PhaseEnd } from '../../src/core/outcome.js';
import type { Outcome } from '../../src/core/session.js';

const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' };
/** Of what has run for its limit of 600 s. */
const AT_LIMIT = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:10:00.000Z' };
const NO_HOSTS: HostSummary = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };
const WELL: HostSummary = { hosts: 2, failedHosts: 0, unreachableHosts: 0 };
const FAILED: HostSummary = {
  hosts: 3,
  failedHosts: 2,
  unreachableHosts: 0,
  firstFailed: aHost('x1', { task: 'install', message: 'no space left' }),
};
const UNREACHABLE: HostSummary = {
  hosts: 3,
  failedHosts: 0,
  unreachableHosts: 1,
  firstUnreachable: aHost('x2', { message: 'Connection refused' }),
};
const BOTH: HostSummary = { ...UNREACHABLE, ...FAILED, unreachableHosts: 1 };

function aHost(host: string, result: Partial<HostResult> = {}): HostResult {
  const counts = { ok: 0, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };
  return { phase: 'ansible-0', host, ...counts, ...result };
}

function exited(exitCode: number): PhaseResult {
  return { kind: 'exited', exitCode, ...times };
}

function aClone(result: PhaseResult, end: Partial<PhaseEnd> = {}): PhaseEnd {
  const subject = 'https://git.example.org/base.git';
  return {
    name: 'git-clone-0',
    kind: 'git-clone',
    subject,
    result,
    hosts: NO_HOSTS,
    timeoutSeconds: 600,
    ...end,
  };
}

function anInventory(result: PhaseResult, end: Partial<PhaseEnd> = {}): PhaseEnd {
  return { ...aClone(result), name: 'inventory', kind: 'inventory', subject: 'dynamic', ...end };
}

function aPlaybook(result: PhaseResult, end: Partial<PhaseEnd> = {}): PhaseEnd {
  return {
    ...aClone(result),
    name: 'ansible-0',
    kind: 'ansible',
    subject: 'site.yml',
    hosts: WELL,
    ...end,
  };
}

describe('toOutcome', () => {
  test.each<[string, readonly PhaseEnd[], Outcome]>([
    [
      'succeeds when every phase exited 0',
      [aClone(exited(0)), anInventory(exited(0)), aPlaybook(exited(0))],
      { succeeded: 'true' },
    ],
    [
      'succeeds when one of the layers found hosts',
      [aPlaybook(exited(0), { hosts: NO_HOSTS }), aPlaybook(exited(0), { name: 'ansible-1' })],
      { succeeded: 'true' },
    ],
    [
      'says so when no host ran a task',
      [aPlaybook(exited(0), { hosts: NO_HOSTS })],
      {
        succeeded: 'true',
        reason: 'NO_HOSTS',
        message:
          'No host ran a task: no play of any layer matches a host of the inventory, or those that do have no task to run.',
      },
    ],
    [
      'says so when results were lost, of hosts that may have run all of it',
      [
        aPlaybook(exited(0), { hosts: NO_HOSTS, lacksResults: true }),
        aPlaybook(exited(0), { name: 'ansible-1' }),
      ],
      {
        succeeded: 'true',
        message:
          'Every phase exited 0, but it is not known on which hosts: results did not reach the API and were lost with the end of the log (ansible-0). No component has them.',
      },
    ],
    [
      'says so when playbooks ran again with other files than those of their commit',
      [
        aPlaybook(exited(0)),
        aPlaybook(exited(0), { name: 'ansible-1', subject: 'more.yml', filesChanged: true }),
      ],
      {
        succeeded: 'true',
        message:
          'Run again in a hold, with files that are not those of the recorded commit: ansible-1 (more.yml). The log of the phase says which. No component counts as having that commit.',
      },
    ],
    [
      'says which names in the limit the inventory does not have',
      [
        anInventory(exited(0), { missing: ['x1', 'x2', 'x3', 'x4', 'x5', 'x6'] }),
        aPlaybook(exited(0)),
      ],
      {
        succeeded: 'true',
        message:
          'Left out, because the inventory has no host of that name: x1, x2, x3, x4, x5 and 1 more.',
      },
    ],
    [
      'says so when there was nothing to run',
      [anInventory(exited(0))],
      {
        succeeded: 'true',
        reason: 'NO_HOSTS',
        message: 'The configuration has no layer, so nothing ran.',
      },
    ],
  ])('%s', (_title, ends, expected) => {
    expect(toOutcome(ends)).toEqual(expected);
  });

  test('lets the first failure decide', () => {
    const ends = [
      aClone(exited(0)),
      anInventory(exited(EXIT.inventory)),
      aPlaybook({ kind: 'unstarted', reason: 'skipped', message: '' }),
    ];

    expect(toOutcome(ends)).toMatchObject({ reason: 'INVENTORY', phase: 'inventory' });
  });

  test.each<[PhaseEnd, Outcome['reason'], string]>([
    [
      aClone(exited(EXIT.gitClone), { errorLine: 'connection refused' }),
      'GIT_CLONE',
      'git-clone-0 of https://git.example.org/base.git failed: connection refused',
    ],
    [aClone(exited(EXIT.gitAway)), 'GIT_CLONE', 'failed with exit code 74'],
    [
      aClone(exited(EXIT.gitRef)),
      'GIT_REF',
      'git-clone-0 of https://git.example.org/base.git failed with exit code 71; see its log',
    ],
    [aClone(exited(128)), 'INTERNAL', 'failed with exit code 128'],
    [aClone(exited(EXIT.internal)), 'INTERNAL', 'git-clone-0 failed with exit code 79'],
    [
      aClone(exited(EXIT.gitRef), { name: 'git-clone-hosts', kind: 'git-clone-hosts' }),
      'GIT_REF',
      'git-clone-hosts of',
    ],
    [
      anInventory(exited(EXIT.inventory), { errorLine: 'no hosts directory' }),
      'INVENTORY',
      'Ansible cannot use the inventory: no hosts directory',
    ],
    [anInventory(exited(1)), 'INVENTORY', 'Ansible cannot use the inventory with exit code 1'],
    [anInventory(exited(EXIT.internal)), 'INTERNAL', 'inventory failed with exit code 79'],
    [aClone(exited(EXIT.diskFull)), 'INTERNAL', 'was ended: the disk of the job is full'],
    [
      aClone(exited(1), { name: 'teardown', kind: 'teardown', errorLine: 'IMS job failed' }),
      'IMAGE_PACKAGE',
      'Packaging failed: IMS job failed',
    ],
  ])('maps what exits before the playbooks: %#', (end, reason, message) => {
    const outcome = toOutcome([end]);

    expect(outcome).toMatchObject({ succeeded: 'false', reason, phase: end.name });
    expect(outcome.message).toContain(message);
  });

  test.each([2, 4])(
    'does not say that a playbook could not run whose results were lost: %d',
    (exitCode) => {
      const end = aPlaybook(exited(exitCode), { hosts: NO_HOSTS, lacksResults: true });
      expect(toOutcome([end])).toMatchObject({
        succeeded: 'false',
        reason: 'PLAYBOOK_ERROR',
        message: `site.yml (ansible-0) failed with exit code ${exitCode}; see its log. The results of its hosts were lost with the end of its log.`,
      });
    },
  );

  test.each<[string, number, HostSummary, Outcome['reason'], string]>([
    ['1, nothing ran', 1, NO_HOSTS, 'PLAYBOOK_ERROR', 'site.yml (ansible-0) could not run'],
    ['1, hosts well', 1, WELL, 'PLAYBOOK_ERROR', 'site.yml (ansible-0) broke off'],
    [
      '1, broke off after a task had failed',
      1,
      FAILED,
      'PLAYBOOK_ERROR',
      'broke off with exit code 1; see its log. Before that, x1 and 1 more failed',
    ],
    [
      '1, broke off after a host was not reached',
      1,
      UNREACHABLE,
      'PLAYBOOK_ERROR',
      'broke off with exit code 1; see its log. Before that, x2 failed',
    ],
    ['2, a task failed', 2, FAILED, 'TASK_FAILED', 'on x1 and 1 more: no space left'],
    ['2, bad arguments', 2, NO_HOSTS, 'PLAYBOOK_ERROR', 'could not run with exit code 2'],
    ['4, unreachable', 4, UNREACHABLE, 'HOST_UNREACHABLE', 'x2 could not be reached: Connection'],
    ['4, a mistake after a task had failed', 4, FAILED, 'PLAYBOOK_ERROR', 'broke off'],
    ['4, syntax error', 4, NO_HOSTS, 'PLAYBOOK_ERROR', 'could not run with exit code 4'],
    ['4, failed and unreachable', 4, BOTH, 'TASK_FAILED', 'failed on x1'],
    ['2, failed and unreachable', 2, BOTH, 'TASK_FAILED', 'failed on x1'],
    ['8, a play broke', 8, FAILED, 'TASK_FAILED', 'failed on x1'],
    ['5, bad options', 5, NO_HOSTS, 'PLAYBOOK_ERROR', 'could not run with exit code 5'],
    ['73, no such playbook', EXIT.playbook, NO_HOSTS, 'PLAYBOOK_ERROR', 'could not run'],
    [
      '79, a defect of ours',
      EXIT.internal,
      FAILED,
      'INTERNAL',
      'ansible-0 failed with exit code 79',
    ],
    ['99, interrupted', 99, WELL, 'PLAYBOOK_ERROR', 'broke off with exit code 99'],
    ['250, a defect of Ansible', 250, FAILED, 'PLAYBOOK_ERROR', 'broke off with exit code 250'],
    ['137, killed in its first task', 137, NO_HOSTS, 'PLAYBOOK_ERROR', 'broke off with exit code'],
    ['137, killed by somebody', 137, FAILED, 'PLAYBOOK_ERROR', 'broke off with exit code 137'],
  ])('maps exit code %s', (_title, exitCode, hosts, reason, message) => {
    const outcome = toOutcome([aPlaybook(exited(exitCode), { hosts })]);

    expect(outcome).toMatchObject({ succeeded: 'false', reason, phase: 'ansible-0' });
    expect(outcome.message).toContain(message);
  });

  test('does not quote an earlier error if Ansible was killed', () => {
    const end = aPlaybook(exited(137), { hosts: WELL, errorLine: 'Task failed: was ignored' });
    expect(toOutcome([end]).message).toContain('broke off with exit code 137');
  });

  test('names host and task', () => {
    expect(toOutcome([aPlaybook(exited(2), { hosts: FAILED })])).toEqual({
      succeeded: 'false',
      reason: 'TASK_FAILED',
      phase: 'ansible-0',
      host: 'x1',
      task: 'install',
      message: 'site.yml: task "install" failed on x1 and 1 more: no space left',
    });
    expect(toOutcome([aPlaybook(exited(4), { hosts: UNREACHABLE })])).toEqual({
      succeeded: 'false',
      reason: 'HOST_UNREACHABLE',
      phase: 'ansible-0',
      host: 'x2',
      message: 'site.yml: x2 could not be reached: Connection refused',
    });
  });

  test.each<[PhaseResult, Outcome['succeeded'], Outcome['reason'], string]>([
    [{ kind: 'killed', reason: 'timeout', ...AT_LIMIT }, 'false', 'TIMEOUT', 'limit of 600 s'],
    [{ kind: 'killed', reason: 'memory' }, 'false', 'OUT_OF_MEMORY', 'ran out of memory. Run it'],
    [{ kind: 'killed', reason: 'evicted' }, 'false', 'EVICTED', 'from its node. Look at the hosts'],
    [
      { kind: 'killed', reason: 'evicted', message: 'The node was low on resource: memory.' },
      'false',
      'EVICTED',
      'before running it again. Kubernetes: The node was low on resource: memory.',
    ],
    [{ kind: 'killed', reason: 'lost' }, 'unknown', 'JOB_LOST', 'vanished during ansible-0'],
    [
      { kind: 'killed', reason: 'stopped' },
      'unknown',
      'JOB_LOST',
      'a signal that Keelson did not send',
    ],
    [
      { kind: 'unstarted', reason: 'unschedulable', message: 'no node fits' },
      'false',
      'UNSCHEDULABLE',
      'ansible-0 could not start: no node fits',
    ],
    [
      { kind: 'unstarted', reason: 'image-pull', message: 'no such image' },
      'false',
      'IMAGE_PULL',
      'no such image',
    ],
    [
      { kind: 'unstarted', reason: 'config', message: 'no secret' },
      'false',
      'INTERNAL',
      'no secret',
    ],
    [{ kind: 'unstarted', reason: 'skipped', message: '' }, 'false', 'CANCELLED', 'Cancelled'],
  ])('maps %j', (result, succeeded, reason, message) => {
    const outcome = toOutcome([aPlaybook(result)]);

    expect(outcome).toMatchObject({ succeeded, reason, phase: 'ansible-0' });
    expect(outcome.message).toContain(message);
  });

  test.each<[PhaseEnd, string]>([
    [aClone({ kind: 'killed', reason: 'timeout', ...AT_LIMIT }), 'clone_time_limit'],
    [
      anInventory({ kind: 'killed', reason: 'timeout', ...AT_LIMIT }),
      'inventory_sources_time_limit',
    ],
    [aPlaybook({ kind: 'killed', reason: 'timeout', ...AT_LIMIT }), 'phase_time_limit'],
  ])('names the option that has the limit: %#', (end, option) => {
    expect(toOutcome([end]).message).toContain(
      `after its limit of 600 s (${option}) and was stopped.`,
    );
  });

  test.each([
    [0, '2026-01-01T01:00:00Z', 'the deadline that Kubernetes has'],
    [600, '2026-01-01T00:05:00Z', 'the deadline that Kubernetes has'],
    [600, undefined, 'the deadline that Kubernetes has'],
    [600, '2026-01-01T00:09:59Z', 'its limit of 600 s'],
    [600, '2026-01-01T00:10:01Z', 'its limit of 600 s'],
  ])('knows a deadline of the job from a limit of %i s, at %s', (timeoutSeconds, endedAt, text) => {
    const times = endedAt === undefined ? {} : { startedAt: AT_LIMIT.startedAt, endedAt };
    const end = aPlaybook({ kind: 'killed', reason: 'timeout', ...times }, { timeoutSeconds });
    expect(toOutcome([end])).toMatchObject({
      reason: 'TIMEOUT',
      message: expect.stringContaining(text),
    });
  });

  describe('with a cancel', () => {
    const cancellation = { by: 'ada', reason: 'wrong nodes' };

    test('is cancelled where the job was stopped', () => {
      const ends = [aClone(exited(0)), aPlaybook({ kind: 'killed', reason: 'stopped' })];

      expect(toOutcome(ends, cancellation)).toEqual({
        succeeded: 'false',
        reason: 'CANCELLED',
        phase: 'ansible-0',
        message: 'Cancelled by ada during ansible-0: wrong nodes',
      });
    });

    test('succeeds where the job was quicker', () => {
      expect(toOutcome([aPlaybook(exited(0))], cancellation)).toEqual({ succeeded: 'true' });
    });

    test('fails where the playbook failed first', () => {
      const ends = [aPlaybook(exited(2), { hosts: FAILED })];

      expect(toOutcome(ends, cancellation)).toMatchObject({ reason: 'TASK_FAILED' });
    });
  });

  test('keeps a message to one line of 300 characters', () => {
    const message = `first\r\nsecond\t${'x'.repeat(1000)}`;
    const hosts = { ...FAILED, firstFailed: aHost('x1', { task: 'install', message }) };

    const outcome = toOutcome([aPlaybook(exited(2), { hosts })]);

    expect(outcome.message).toHaveLength(300);
    expect(outcome.message).toMatch(/^site\.yml: task .* more: first second x+…$/);
  });
});
