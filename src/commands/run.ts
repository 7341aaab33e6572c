/**
 * The logger of a command. A command prints its result at the end and throws what it could not do, so this shows only what it
 * is waiting for. A lost connection shows in what fails because of it.
 */
export const onScreen = {
  warn(fields: object, message: string): void {
    if ('waitsFor' in fields) process.stderr.write(`${message}: ${JSON.stringify(fields)}\n`);
  },
};

/** Prints what the command returns. An error is printed as one line that says what to do, with exit code 1. */
export async function runCommand(command: () => Promise<string>): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  try {
    process.stdout.write(`${await command()}\n`);
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = 1;
  }
}

/** A reader such as `| head` may have seen enough. The command still does all its work. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!code.startsWith('ERR_PARSE_ARGS')) return error.message;
  // Node adds advice on arguments that begin with a dash.
  return `${error.message.split('. ', 1)[0]} (--help tells more)`;
}
