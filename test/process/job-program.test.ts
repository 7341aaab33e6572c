import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import { keepJobProgram } from '../../src/process/job-program.js';
import { openPlatform } from '../../src/process/platform.js';

let directory: string;
let source: string;
let data: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'keelson-program-')));
  source = join(directory, 'installation');
  data = join(directory, 'data');
  cpSync(join(import.meta.dirname, '..', '..', 'job'), join(source, 'job'), { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

const runs = (cwd: string) =>
  spawnSync('python3', ['-m', 'job', '--help'], { cwd, encoding: 'utf8' }).stdout.includes(
    'run every phase',
  );

const listCopies = () =>
  readdirSync(join(data, 'programs'))
    .filter((name) => !name.startsWith('.'))
    .map((name) => join(data, 'programs', name));

describe('keepJobProgram', () => {
  test('makes a copy that runs without the installation', async () => {
    const kept = await keepJobProgram(source, data);
    rmSync(source, { recursive: true });
    expect(runs(kept)).toBe(true);
  });

  test('takes the copy that is there, and repairs it', async () => {
    const kept = await keepJobProgram(source, data);
    writeFileSync(join(kept, 'job', '__main__.py'), '');
    expect(await keepJobProgram(source, data)).toBe(kept);
    expect(runs(kept)).toBe(true);
    expect(listCopies()).toHaveLength(1);
  });

  test('keeps the copy of another version for as long as a job works in it', async () => {
    const first = await keepJobProgram(source, data);
    const job = spawn('sleep', ['600'], { cwd: first });
    await once(job, 'spawn');
    appendFileSync(join(source, 'job', '__init__.py'), '# another version\n');
    const second = await keepJobProgram(source, data);
    expect(second).not.toBe(first);
    expect(runs(first)).toBe(true);
    job.kill();
    await once(job, 'exit');
    await keepJobProgram(source, data);
    expect(listCopies()).toEqual([second]);
  });

  test('makes one copy for workers that start at once', async () => {
    const kept = await Promise.all([1, 2, 3, 4].map(() => keepJobProgram(source, data)));
    expect(new Set(kept).size).toBe(1);
    expect(runs(kept[0] ?? '')).toBe(true);
  });

  test('keeps the copy of a worker of another version for as long as that runs', async () => {
    const script = `
      import { keepJobProgram } from '${process.cwd()}/dist/process/job-program.js';
      process.stdout.write(await keepJobProgram(process.argv[1], process.argv[2]));
      setInterval(() => undefined, 1000);`;
    const program = ['--input-type=module', '--eval', script, source, data];
    const worker = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [first] = (await once(worker.stdout, 'data')) as [Buffer];
    appendFileSync(join(source, 'job', '__init__.py'), '# another version\n');
    await keepJobProgram(source, data);
    expect(runs(first.toString())).toBe(true);
    worker.kill();
    await once(worker, 'exit');
    const second = await keepJobProgram(source, data);
    expect(listCopies()).toEqual([second]);
  });
});

test('a worker on this machine keeps the program of its jobs', async () => {
  const platform = await openPlatform({
    config: parseConfig({ KEELSON_DATA: data }),
    logger: pino({ level: 'silent' }),
    deploymentId: '0123abcd',
    jobUrl: 'http://127.0.0.1:1',
  });
  platform.runner.close();
  const [kept = ''] = listCopies();
  expect(runs(kept)).toBe(true);
});
