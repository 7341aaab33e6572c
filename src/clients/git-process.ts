import { spawn, type ChildProcess } from 'node:child_process';

export interface GitCommand {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
}

export type GitEnd =
  | {
      readonly kind: 'exited';
      readonly exitCode: number;
      readonly output: string;
      /** The end of its standard error. */
      readonly complaint: string;
    }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'unstarted'; readonly code: string };

const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_COMPLAINT_BYTES = 16 * 1024;

/**
 * Runs one git command to its end. The command leads a process group, so that a time-out or an abort also ends its transports
 * (`git-remote-https`, `ssh`). An abort throws the signal's own reason.
 */
export async function runGit(command: GitCommand, signal: AbortSignal): Promise<GitEnd> {
  signal.throwIfAborted();
  // Not the service's own directory, which may be in a repository whose configuration git would read.
  const child = spawn('git', command.argv, {
    env: command.environment,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const deadline = AbortSignal.timeout(command.timeoutSeconds * 1000);
  const kill = () => killGroup(child);
  signal.addEventListener('abort', kill);
  deadline.addEventListener('abort', kill);
  try {
    const end = await collect(child, kill);
    signal.throwIfAborted();
    return deadline.aborted && end.kind === 'exited' && end.exitCode !== 0
      ? { kind: 'timeout' }
      : end;
  } finally {
    signal.removeEventListener('abort', kill);
    deadline.removeEventListener('abort', kill);
  }
}

function collect(child: ChildProcess, kill: () => void): Promise<GitEnd> {
  const output: Buffer[] = [];
  let outputBytes = 0;
  let complaint = Buffer.alloc(0);
  child.stdout?.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
    if (outputBytes > MAX_OUTPUT_BYTES) kill();
    else output.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = Buffer.concat([complaint, chunk]).subarray(-MAX_COMPLAINT_BYTES);
  });
  return new Promise((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ kind: 'unstarted', code: error.code ?? error.message }),
    );
    child.on('close', (exitCode) =>
      resolve(
        outputBytes > MAX_OUTPUT_BYTES
          ? { kind: 'too-long' }
          : {
              kind: 'exited',
              exitCode: exitCode ?? -1,
              output: Buffer.concat(output).toString('utf8'),
              complaint: complaint.toString('utf8'),
            },
      ),
    );
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
