import { fork } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { pause } from '../scripts/demo/service.mjs';
import { readMemory } from './memory.mjs';
import { readCpuSeconds } from './load/waiting.mjs';

const PODS = 200;
const WATCH_MS = 60_000;

/**
 * What it costs to wait for many pods from which no events come: a runner alone, in a process of its own.
 * @param {import('./kubernetes.mjs').Place} place @returns {Promise<import('./api/figures.mjs').Figure[]>}
 */
export async function measureWatching({ namespace, image, scale, signal }) {
  const count = Math.ceil(PODS * scale);
  const child = fork(fileURLToPath(import.meta.url), [namespace, image], { signal });
  const ask = async (/** @type {object} */ message) => {
    child.send(message);
    return (await once(child, 'message', { signal }))[0];
  };
  try {
    await ask({ launch: 0 });
    await pause(signal, 5000);
    const idle = readMemory(child.pid ?? 0).resident;
    const begin = performance.now();
    await ask({ launch: count });
    const seconds = (performance.now() - begin) / 1000;
    console.error(`${count} pods run after ${seconds.toFixed(0)} s, are watched for a minute ...`);
    await pause(signal, 5000);
    const [cpu, at] = [readCpuSeconds(child.pid ?? 0), performance.now()];
    await pause(signal, WATCH_MS);
    const percent = ((readCpuSeconds(child.pid ?? 0) - cpu) / (performance.now() - at)) * 100_000;
    const { resident } = readMemory(child.pid ?? 0);
    console.error('... and removed');
    await ask({ remove: true });
    return [
      { what: `until ${count} pods run, that sleep`, value: seconds, unit: 's' },
      { what: 'memory of a runner with nothing to watch', value: idle / 1e6, unit: 'MB' },
      { what: `memory of one that watches ${count} pods`, value: resident / 1e6, unit: 'MB' },
      { what: 'processor time of it, of one core', value: percent, unit: '%' },
    ];
  } finally {
    child.kill();
  }
}

/** The child: launches jobs of one phase that sleeps, waits for all of them, and removes them. */
async function main(/** @type {string} */ namespace, /** @type {string} */ image) {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const { createKubernetesRunner } = await import('#dist/runner/kubernetes.js');
  const { parsePodSettings } = await import('#dist/runner/pod-settings.js');
  const config = new KubeConfig();
  config.loadFromDefault();
  const runner = createKubernetesRunner({
    ...{ config, namespace, deploymentId: 'bench', gitProtocols: 'http' },
    jobSource: fileURLToPath(new URL('..', import.meta.url)),
    jobTtlSeconds: 0,
    logger: console,
    settings: parsePodSettings(
      `image: ${image}\nimagePullPolicy: Never\ndnsPolicy: Default\nhostNetwork: true\nresources: { ansible: {} }`,
    ),
  });
  const { signal } = new AbortController();
  /** @type {string[]} */
  const jobs = [];
  const launch = async () => {
    const jobId = `cfs-bench-${randomBytes(4).toString('hex')}`;
    jobs.push(jobId);
    const incarnation = await runner.prepare(toLaunch(jobId), signal);
    await runner.release(jobId, incarnation, signal);
    await runner.awaitPhase(jobId, 'begin', signal);
    runner.awaitPhase(jobId, 'sleep', signal).catch(() => undefined);
  };
  process.on('message', (/** @type {{ launch?: number, remove?: boolean }} */ message) => {
    const work = async () => {
      if (message.launch !== undefined)
        await Promise.all(Array.from({ length: message.launch }, launch));
      else await Promise.all(jobs.map((job) => runner.remove(job, signal)));
      process.send?.('done');
    };
    work().catch((error) => {
      console.error(error);
      process.exit(1);
    });
  });
}

/** @param {string} jobId @returns {any} */
function toLaunch(jobId) {
  const command = (/** @type {string} */ name, /** @type {string[]} */ argv) => ({
    ...{ name, kind: 'command', argv, timeoutSeconds: 0 },
  });
  return {
    job: {
      ...{ jobId, sessionName: 'bench', configurationName: 'none', inventoryType: 'spec' },
      phases: [command('begin', ['true']), command('sleep', ['sleep', '3600'])],
      ...{ graceSeconds: 1, reportWaitSeconds: 1, podPendingSeconds: 0 },
    },
    files: {},
    token: 'token-of-the-bench',
  };
}

const [, program, namespace, image] = process.argv;
if (program === fileURLToPath(import.meta.url) && namespace !== undefined && image !== undefined)
  await main(namespace, image);
