import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAgent, send } from '../api/load.mjs';
import { layers, toId } from './requests.mjs';

const HOSTS_PER_REPORT = 1_000;

/**
 * Delivers the last results of a phase, as a job does, and waits until they are the state of components.
 * @param {import('../api/requests.mjs').Site} site
 * @param {{ data: string, execute: (statements: readonly string[]) => Promise<void> }} database @param {number} many
 */
export async function measureReports({ url, scale }, database, many) {
  const key = Buffer.from(readFileSync(join(database.data, 'master.key'), 'utf8').trim(), 'hex');
  const some = Math.ceil(1_000 * scale);
  await database.execute(['warm', 'some', 'many'].flatMap(toStatements));
  const report = async (/** @type {string} */ name, /** @type {number} */ hosts) => {
    const jobId = toJobId(name);
    const token = createHmac('sha256', key).update(`job:${jobId}`).digest('base64url');
    const agent = createAgent(1);
    const start = performance.now();
    for (let first = 0; first < hosts; first += HOSTS_PER_REPORT) {
      const end = Math.min(first + HOSTS_PER_REPORT, hosts);
      await send(`${url}/jobs/${jobId}/phases/ansible-0/hosts`, {
        ...{ method: 'PUT', agent, headers: { Authorization: `Bearer ${token}` } },
        body: toResults(first, end, end === hosts),
      });
    }
    agent.destroy();
    return (performance.now() - start) / 1000;
  };
  await report('warm', some);
  return [
    {
      ...{ what: `${some} hosts of a playbook become state, in one report`, unit: 's', most: 0.1 },
      value: await report('some', some),
    },
    {
      what: `${many} hosts, in reports of 1000`,
      unit: 's',
      most: 1,
      value: await report('many', many),
    },
  ];
}

/** @param {number} from @param {number} to @param {boolean} final */
function toResults(from, to, final) {
  const counts = { ok: 3, changed: 1, failed: 0, skipped: 1, unreachable: 0, incomplete: false };
  return {
    ...{ sequence: from + 1, final, ...(final ? { records_state: true } : {}) },
    hosts: Array.from({ length: to - from }, (_, index) => ({
      host: toId(from + index),
      ...counts,
    })),
  };
}

/** @param {string} name */
const toJobId = (name) => `cfs-report-${name}-0123abcd`;

/** Inserts a session that runs the first layer. @param {string} name */
function toStatements(name) {
  const at = '2026-01-01T00:00:00.000Z';
  const request = {
    ...{ name: `report-${name}`, configurationName: 'compute', configurationLimit: '' },
    ...{ ansibleConfig: '', ansibleVerbosity: 0, target: { definition: 'dynamic' } },
    ...{ tags: {}, debugOnFailure: false },
  };
  const [layer = { clone_url: '', commit: '', playbook: '' }] = layers;
  const repository = { url: layer.clone_url, commit: layer.commit };
  const snapshot = {
    configurationName: 'compute',
    layers: [{ index: 0, repository, playbook: layer.playbook }],
    ...{ options: { debugWaitTime: 0, defaultPlaybook: 'site.yml' }, limits: {} },
  };
  return [
    `insert into sessions (job_id, name, created_at, dispatched, state, claimed_at, launched_at, request, snapshot)
     values ('${toJobId(name)}', 'report-${name}', '${at}', 'started', 'running', '${at}', '${at}',
       '${JSON.stringify(request)}', '${JSON.stringify(snapshot)}')`,
    `insert into phases (job_id, name, kind, title, position, state)
     values ('${toJobId(name)}', 'ansible-0', 'ansible', 'ansible-0: site.yml', 0, 'running')`,
  ];
}
