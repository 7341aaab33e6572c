import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { FOREIGN_DAEMON, IS_ROOT } from '../support/foreign-process.js';
import { waitFor } from '../support/wait.js';
import {
  aCommand,
  createJob,
  daemonize,
  exitOf,
  processesOf,
  PROJECT,
  TOKEN,
  type JobOptions,
  type TestJob,
} from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

function aJob(options: JobOptions): TestJob {
  const job = createJob(options);
  jobs.push(job);
  return job;
}

async function runPhase(
  job: TestJob,
  phase: string,
): Promise<{ code: number | null; output: Buffer }> {
  const child = job.startPhase(phase, 'pipe');
  const [output, code] = await Promise.all([
    child.stdout === null ? Buffer.alloc(0) : buffer(child.stdout),
    exitOf(child),
  ]);
  return { code, output };
}

function runPython(program: string): string {
  return execFileSync('python3', ['-c', program], { cwd: PROJECT, encoding: 'utf8' });
}

describe('run', () => {
  it.each([0, 1, 7, 255])('ends with the exit code %d of the command', async (code) => {
    const job = aJob({ phases: [aCommand('only', `exit ${code}`)] });
    expect((await runPhase(job, 'only')).code).toBe(code);
    expect(job.phase('only')).toMatchObject({ exit_code: code, killed: null });
  });

  it('ends with 128 plus the signal that killed the command', async () => {
    const job = aJob({ phases: [aCommand('only', 'kill -9 $$')] });
    expect((await runPhase(job, 'only')).code).toBe(137);
    expect(job.phase('only')).toMatchObject({ exit_code: 137, killed: null });
  });

  it('refuses to run a phase twice and leaves its record alone', async () => {
    const job = aJob({ phases: [aCommand('only', 'echo ran')] });
    await runPhase(job, 'only');
    const before = job.phase('only');
    expect((await runPhase(job, 'only')).code).toBe(79);
    expect(job.phase('only')).toEqual(before);
    expect(job.log('only')).toBe('ran\n');
  });

  it('says that a command cannot be started', async () => {
    const job = aJob({ phases: [{ ...aCommand('only', ''), argv: ['/does/not/exist'] }] });
    expect((await runPhase(job, 'only')).code).toBe(79);
    expect(job.log('only')).toBe('ERROR! /does/not/exist: No such file or directory.\n');
  });

  it('gives the command a clean environment and nothing to read', async () => {
    const job = aJob({ phases: [aCommand('only', 'env | cut -d= -f1 | sort | xargs; cat')] });
    await runPhase(job, 'only');
    expect(job.log('only')).toBe('HOME KEELSON_JOB KEELSON_RESULTS LANG PATH PWD SHLVL TMPDIR _\n');
  });

  it('writes the same bytes to its output, to the log and into the record', async () => {
    const script = 'head -c 3000000 /dev/urandom | tee copy; printf "no newline"';
    const job = aJob({ phases: [aCommand('only', script)] });
    const { output } = await runPhase(job, 'only');
    const expected = Buffer.concat([
      readFileSync(job.path('workspace/copy')),
      Buffer.from('no newline'),
    ]);
    expect(output.equals(expected)).toBe(true);
    expect(readFileSync(job.path('logs/only.log')).equals(expected)).toBe(true);
    expect(job.phase('only')?.log_bytes).toBe(expected.length);
  });

  it('keeps 200 MB of output whole without keeping it in memory', async () => {
    const script =
      'yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 200000000; echo; grep VmHWM /proc/$PPID/status';
    const job = aJob({ phases: [aCommand('only', script)] });
    const child = job.startPhase('only', 'pipe');
    const hash = createHash('sha256');
    child.stdout?.on('data', (data: Buffer) => hash.update(data));
    expect(await exitOf(child)).toBe(0);
    const log = readFileSync(job.path('logs/only.log'));
    expect(createHash('sha256').update(log).digest('hex')).toBe(hash.digest('hex'));
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(log.subarray(-100).toString()) ?? [];
    expect(log.length).toBeGreaterThan(200_000_000);
    expect(Number(kilobytes)).toBeLessThan(60_000);
  });

  it('ends the phase at its time limit', async () => {
    const job = aJob({
      phases: [aCommand('slow', 'printf begun; sleep 60', { timeout_seconds: 2 })],
    });
    expect((await runPhase(job, 'slow')).code).toBe(124);
    expect(job.phase('slow')).toMatchObject({ exit_code: null, killed: 'timeout' });
    expect(job.log('slow')).toBe(
      'begun\nERROR! The phase was ended: its time limit of 2 s has passed.\n',
    );
  });

  it.each([
    ['a background child', 'sleep 300 & echo started'],
    ['a child in a session of its own', 'setsid -f sleep 300; echo started'],
    ['a daemon, as SSH leaves its ControlPersist master', `${daemonize(300)}; echo started`],
    ['a child that ignores SIGTERM', `(trap '' TERM; sleep 300; sleep 300) & echo started`],
    ['a child that is stopped', '(kill -STOP $BASHPID; sleep 300) & echo started'],
  ])('ends %s that the command leaves behind', async (_what, script) => {
    const job = aJob({ phases: [aCommand('only', script)] });
    expect((await runPhase(job, 'only')).code).toBe(0);
    expect(await processesOf(job.id)).toEqual([]);
    expect(job.log('only')).toBe('started\n');
    expect(job.phase('only')).toMatchObject({ exit_code: 0, killed: null });
  });

  (IS_ROOT ? it : it.skip)('leaves a process of another user, and says so', async () => {
    const job = aJob({ phases: [aCommand('only', `${FOREIGN_DAEMON}; exit 3`)] });
    const child = job.startWithoutKill('run', 'only');
    try {
      expect(await exitOf(child)).toBe(3);
      const pid = Number(readFileSync(job.path('workspace/foreign'), 'utf8'));
      expect(job.phase('only')).toMatchObject({ state: 'ended', exit_code: 3, killed: null });
      expect(job.log('only')).toBe(
        `ERROR! These processes could not be ended and still run: ${pid} (sleep).\n`,
      );
    } finally {
      await job.killForeign();
    }
  });

  it('records a phase that was told to stop as stopped, with all of its output', async () => {
    const job = aJob({ phases: [aCommand('only', `${daemonize(300)}; echo here; sleep 300`)] });
    const child = job.startPhase('only');
    await job.waitForLog('only', 'here');
    child.kill('SIGTERM');
    expect(await exitOf(child)).toBe(143);
    expect(job.phase('only')).toMatchObject({ exit_code: null, killed: 'stopped' });
    expect(job.log('only')).toBe('here\nThe phase was ended: stopped.\n');
    expect(job.phase('only')?.log_bytes).toBe(statSync(job.path('logs/only.log')).size);
    expect(await processesOf(job.id)).toEqual([]);
  });

  it('works in another workspace', async () => {
    const job = aJob({ phases: [aCommand('only', 'pwd; echo $HOME')] });
    const workspace = job.path('elsewhere');
    expect(await exitOf(job.startPhase('only', 'ignore', '--workspace', workspace))).toBe(0);
    expect(job.log('only')).toBe(`${workspace}\n${workspace}/home\n`);
  });
});

describe('redaction', () => {
  const password = 'p@ss/word 1';
  const secrets = {
    'secrets/git-credentials': `https://user:${encodeURIComponent(password)}@git.example.org\n`,
    'workspace/ssh/id_ecdsa':
      '-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwxyz\n-----END KEY-----\n',
  };

  it('hides the token, passwords (as written, decoded and as sent), and lines of keys', async () => {
    const basic = Buffer.from(`user:${password}`).toString('base64');
    const words = [
      TOKEN,
      password,
      encodeURIComponent(password),
      basic,
      'abcdefghijklmnopqrstuvwxyz',
    ];
    const argv = ['printf', '%s\n', ...words, '-----BEGIN KEY-----'];
    const job = aJob({ phases: [{ ...aCommand('only', ''), argv }], files: secrets });
    const { output } = await runPhase(job, 'only');
    expect(output.toString()).toBe(`${'***\n'.repeat(5)}-----BEGIN KEY-----\n`);
    expect(job.log('only')).toBe(output.toString());
  });

  it('hides secrets as programs write them in JSON, URLs and base64', async () => {
    const odd = 'p"a\\s:swörd';
    const name = 'ghp_0123456789abcdefghij';
    const logins = [`user:${encodeURIComponent(odd)}`, `${name}:`, `${name}2:x-oauth-basic`];
    const files = {
      'secrets/git-credentials': logins
        .map((login) => `https://${login}@git.example.org\n`)
        .join(''),
      'secrets/vault-token': 'hvs.CAESI+0123/456789\n',
      'workspace/ssh/id_ecdsa': secrets['workspace/ssh/id_ecdsa'],
    };
    const ascii = JSON.stringify(odd).replace('ö', '\\u00f6');
    const inJson = [JSON.stringify({ odd }), `{"odd":${ascii}}`];
    const inUrl = [encodeURIComponent(odd), encodeURIComponent('hvs.CAESI+0123/456789')];
    const key = files['workspace/ssh/id_ecdsa'];
    const texts = [odd, `${odd}\n`, TOKEN, 'hvs.CAESI+0123/456789', key, key.trim()];
    const inBase64 = texts.map((text) => Buffer.from(text).toString('base64'));
    const words = [...inJson, ...inUrl, name, `<${name}2>`, ...inBase64];
    const argv = ['printf', '%s\n', ...words];
    const job = aJob({ phases: [{ ...aCommand('only', ''), argv }], files });
    await runPhase(job, 'only');
    const shown = job.log('only').trim().split('\n');
    expect(shown.slice(0, 6)).toEqual([
      ...['{"odd":"***"}', '{"odd":"***"}', '***', '***', '***', '<***>'],
    ]);
    // The last characters also depend on what follows the secret.
    for (const line of shown.slice(6)) expect(line).toMatch(/^\*\*\*.{0,4}$/);
    expect(shown).toHaveLength(words.length);
  });

  it('hides a password that only git accepts in a URL', async () => {
    const password = 'p[ss:wörd';
    const files = { 'secrets/git-credentials': `https://user:${password}@git.example.org\n` };
    const job = aJob({ phases: [aCommand('only', `echo '<${password}>'`)], files });
    const { code, output } = await runPhase(job, 'only');
    expect({ code, output: output.toString() }).toEqual({ code: 0, output: '<***>\n' });
  });

  it('hides secrets in the remaining results, and leaves no half-written ones', async () => {
    const hosts = JSON.stringify({ hosts: [{ host: 'x1', message: `<${TOKEN}>` }] });
    const script = `echo '${hosts}' | tee "$KEELSON_RESULTS.1" > "$KEELSON_RESULTS"`;
    const job = aJob({ phases: [aCommand('only', script)] });
    await runPhase(job, 'only');
    expect(JSON.parse(readFileSync(job.path('results/only.json'), 'utf8'))).toEqual({
      hosts: [{ host: 'x1', message: '<***>' }],
    });
    expect(readdirSync(job.path('results'))).toEqual(['only.json', 'only.signed']);
  });

  it('says that results cannot be read, whatever a command has made of them', async () => {
    const job = aJob({ phases: [aCommand('only', 'mkdir "$KEELSON_RESULTS"')] });
    await runPhase(job, 'only');
    expect(job.log('only')).toBe('ERROR! The phase cannot be run: Is a directory.\n');
    expect(job.phase('only')).toMatchObject({ exit_code: 79, log_bytes: job.log('only').length });
    expect(readdirSync(job.path('results'))).toEqual([]);
  });

  it('hides the rest of a secret where the plugin has cut a message', async () => {
    const filler = 'x'.repeat(1024 - TOKEN.length + 1);
    const message = `${filler}${TOKEN.slice(0, -1)}`;
    const hosts = JSON.stringify({ hosts: [{ host: 'x1', message }] });
    const job = aJob({ phases: [aCommand('only', `echo '${hosts}' > "$KEELSON_RESULTS"`)] });
    await runPhase(job, 'only');
    expect(JSON.parse(readFileSync(job.path('results/only.json'), 'utf8'))).toEqual({
      hosts: [{ host: 'x1', message: filler }],
    });
  });

  it('hides a secret however the output is cut into pieces', async () => {
    const script = `import sys, time
for byte in b"<${TOKEN}|${TOKEN}${TOKEN}|${TOKEN.slice(0, 9)}|${TOKEN.slice(0, 5)}${TOKEN}>":
    sys.stdout.buffer.write(bytes([byte])); sys.stdout.buffer.flush(); time.sleep(0.001)`;
    const argv = ['python3', '-c', script];
    const job = aJob({ phases: [{ ...aCommand('only', ''), argv }] });
    await runPhase(job, 'only');
    expect(job.log('only')).toBe(`<***|******|${TOKEN.slice(0, 9)}|${TOKEN.slice(0, 5)}***>`);
  });

  it('hides all of a secret whose end could begin another, however the output is cut into pieces', () => {
    const program = `from job.redaction import Redactor
redactor = Redactor([b"tailhead", b"headline"])
pieces = [redactor.feed(bytes([byte])) for byte in b"<tailhead>tailheadlin|"]
print((b"".join(pieces) + redactor.flush()).decode(), end="")`;
    expect(runPython(program)).toBe('<***>***lin|');
  });

  it('hides exactly the bytes of secrets, whatever the output and its pieces', () => {
    const seed = process.env['REDACTION_SEED'] ?? String(Date.now());
    // Letters of secrets are marked one by one, in the whole output. How many masks there are in a row does not matter.
    const program = `import random, re
from job.redaction import Redactor
some = random.Random(${seed})
def word(least, most):
    return bytes(some.choices(b"abc"[: some.choice((2, 3))], k=some.randint(least, most)))
for _ in range(10_000):
    secrets = [word(4, 7) for _ in range(some.randint(1, 4))]
    output = b"".join(some.choice((word(0, 5), *secrets)) for _ in range(some.randint(0, 6)))
    hidden = set()
    for secret in secrets:
        for at in range(len(output)):
            if output.startswith(secret, at):
                hidden.update(range(at, at + len(secret)))
    marked = bytes(ord("#") if at in hidden else byte for at, byte in enumerate(output))
    redactor, shown, rest = Redactor(secrets), b"", output
    while rest:
        size = some.randint(1, 4)
        shown, rest = shown + redactor.feed(rest[:size]), rest[size:]
    shown += redactor.flush()
    wanted, found = re.sub(b"#+", b"#", marked), re.sub(rb"[*]+", b"#", shown)
    if wanted != found:
        print(secrets, output, shown)`;
    expect({ seed, wrong: runPython(program) }).toEqual({ seed, wrong: '' });
  });

  it('shows output that only began like a secret, while the command runs', async () => {
    const job = aJob({
      phases: [aCommand('only', `printf 'x${TOKEN.slice(0, 4)}y'; read -t 30 <> <(:)`)],
    });
    const child = job.startPhase('only');
    await waitFor(() => job.log('only') === `x${TOKEN.slice(0, 4)}y`);
    child.kill('SIGTERM');
    await exitOf(child);
  });
});
