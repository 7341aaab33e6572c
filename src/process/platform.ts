import { toControlQueue, toMachineQueue } from '../core/names.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createLocalRunner, type LocalRunner } from '../runner/local.js';
import { JOB_SOURCE, type JobPlatform, type PlatformOptions } from './job-platform.js';
import { keepJobProgram } from './job-program.js';
import { readMachineId } from './keys.js';
import { holdDataDirectory, prepareDataDirectory } from './data-directory.js';
import { findInterpreter } from './python.js';

export async function openPlatform(options: PlatformOptions): Promise<JobPlatform> {
  const { kubernetes } = options.config.runner;
  if (kubernetes === undefined) return openMachine(options);
  // Imported only here, because the client takes 50 MB that nothing else needs.
  const { openKubernetes } = await import('./kubernetes-platform.js');
  return openKubernetes(options, kubernetes);
}

async function openMachine(options: PlatformOptions): Promise<JobPlatform> {
  const { dataDirectory, runner } = options.config;
  prepareDataDirectory(dataDirectory);
  const machine = readMachineId(dataDirectory);
  const hold = await holdDataDirectory(dataDirectory);
  const jobs = options.runner ?? (await createRunner(options));
  return {
    runner: {
      ...jobs,
      close() {
        jobs.close();
        hold.close();
      },
    },
    machine,
    phaseQueue: toMachineQueue(machine),
    controlQueue: toControlQueue(machine),
    jobRetentionSeconds: runner.jobRetentionSeconds,
  };
}

async function createRunner({ config, jobUrl }: PlatformOptions): Promise<LocalRunner> {
  const { runner, sources } = config;
  return createLocalRunner({
    ...runner,
    python: await findInterpreter(runner.python),
    jobSource: await keepJobProgram(JOB_SOURCE, config.dataDirectory),
    apiUrl: jobUrl,
    gitProtocols: sources.gitProtocols,
    ...omitUndefined({ gitProxy: sources.gitProxy }),
    secrets: { ...runner, ...sources },
  });
}
