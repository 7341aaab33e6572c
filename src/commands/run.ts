/**
 * A command says what it did when it has done it, and what it could not do, it throws. What it waits for it says meanwhile;
 * a connection that is lost is told by what fails with it.
 */
export const onScreen = {
  warn(fields: object, message: string): void {
    if ('waitsFor' in fields) process.stderr.write(`${message}: ${JSON.stringify(fields)}\n`);
  },
};

/** Prints what the command says; an error is one line that says what to do, and exit code 1. */
export async function runCommand(command: () => Promise<string>): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  try {
    process.stdout.write(`${await command()}\n`);
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = 1;
  }
}

/** Whoever reads may have seen enough, as `| head` does. The command has done what it had to do all the same. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!code.startsWith('ERR_PARSE_ARGS')) return error.message;
  // Node goes on with how a word that begins with a dash could be given.
  return `${error.message.split('. ', 1)[0]} (--help tells more)`;
}
