import { describe, expect, test } from '@jest/globals';
import type { AnsiblePhase } from '../../src/core/job.js';
import { renderJobFile } from '../../src/runner/job-file.js';
import { aLaunch } from '../contract/runner-jobs.js';

const surroundings = {
  gitProtocols: 'https:ssh',
  gitProxy: { url: 'http://proxy:3128', noProxy: '.internal' },
  ansiblePlaybook: '/opt/ansible-playbook',
};

const playbook: AnsiblePhase = {
  kind: 'ansible',
  name: 'ansible-0',
  timeoutSeconds: 0,
  layer: '0',
  previousLayer: '',
  directory: 'layer0',
  playbook: 'siteMain.yml',
  cloneUrl: 'https://git/aB.git',
  limit: 'x1',
  verbosity: 1,
  passthrough: '--tags aB',
  debugWaitSeconds: 60,
  holdWaitSeconds: 90,
  hostSilentSeconds: 600,
  hostSilentLimitSeconds: 1800,
  recordsState: true,
};

describe('renderJobFile', () => {
  test('writes the plan in snake case and leaves the data alone', () => {
    const { job } = aLaunch(
      [
        {
          kind: 'git-clone',
          name: 'git-clone-0',
          timeoutSeconds: 600,
          layer: 0,
          repository: { url: 'https://git/aB.git', commit: 'c0ffee' },
          directory: 'layer0',
        },
        playbook,
      ],
      { jobId: 'cfs-a-00000000' },
    );
    const gitCache = { directory: '/data/git-cache', maxBytes: 1000 };
    const text = renderJobFile(job, { ...surroundings, apiUrl: 'http://api', gitCache });
    expect(JSON.parse(text)).toEqual({
      job_id: 'cfs-a-00000000',
      session_name: 'test',
      configuration_name: 'none',
      inventory_type: 'spec',
      phases: [
        {
          kind: 'git-clone',
          name: 'git-clone-0',
          timeout_seconds: 600,
          layer: 0,
          repository: { url: 'https://git/aB.git', commit: 'c0ffee' },
          directory: 'layer0',
        },
        {
          kind: 'ansible',
          name: 'ansible-0',
          timeout_seconds: 0,
          layer: '0',
          previous_layer: '',
          directory: 'layer0',
          playbook: 'siteMain.yml',
          clone_url: 'https://git/aB.git',
          limit: 'x1',
          verbosity: 1,
          passthrough: '--tags aB',
          debug_wait_seconds: 60,
          hold_wait_seconds: 90,
          host_silent_seconds: 600,
          host_silent_limit_seconds: 1800,
          records_state: true,
        },
      ],
      grace_seconds: 1,
      report_wait_seconds: 1,
      pod_pending_seconds: 60,
      api_url: 'http://api',
      git_protocols: 'https:ssh',
      git_proxy: { url: 'http://proxy:3128', no_proxy: '.internal' },
      ansible_playbook: '/opt/ansible-playbook',
      git_cache: { directory: '/data/git-cache', max_bytes: 1000 },
    });
  });

  test('writes a long text of several phases once if the plan would be too large', () => {
    const render = (...texts: readonly (string | undefined)[]) => {
      const phases = texts.map((text, layer) => ({
        ...{ ...playbook, name: `ansible-${layer}` },
        ...{ limit: text ?? '', passthrough: text ?? '' },
      }));
      return JSON.parse(renderJobFile(aLaunch(phases).job, surroundings)) as unknown;
    };
    const [first, other] = ['x1000c0s0b0n0,', 'x2000c0s0b0n0,'].map((name) => name.repeat(12_000));
    const reference = { same_as: 'ansible-0' };
    expect(render(first, first)).toMatchObject({ phases: [{ limit: first }, { limit: first }] });
    expect(render(first, first, other)).toMatchObject({
      phases: [
        { limit: first, passthrough: first },
        { limit: reference, passthrough: reference },
        { limit: other, passthrough: other },
      ],
    });
  });

  test('says null where there is no API, and no git cache', () => {
    expect(JSON.parse(renderJobFile(aLaunch([]).job, surroundings))).toMatchObject({
      api_url: null,
      git_cache: null,
    });
  });
});
