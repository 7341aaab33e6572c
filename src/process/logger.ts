import { fstatSync } from 'node:fs';
import { pino, type Logger } from 'pino';
import { isServiceError } from '../core/errors.js';

export type { Logger };

/** How much is kept of lines that cannot be written yet. */
const KEPT_BYTES = 1024 * 1024;

/** Logs JSON, or readable lines on a terminal. Each line names the part of the service. */
export function createLogger(part: string, level = 'info'): Logger {
  const options = {
    level,
    base: { part },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: toErrorField },
  };
  if (!process.stdout.isTTY) return pino(options, openDestination(process.stdout.fd));
  const transport = { target: 'pino-pretty', options: { ignore: 'part', singleLine: true } };
  return pino({ ...options, transport });
}

/** A fault is logged without its stack: where it was thrown matters only for a defect. */
function toErrorField(error: Error): object {
  return isServiceError(error)
    ? { fault: error.fault, message: error.message }
    : pino.stdSerializers.err(error);
}

/**
 * A full disk must neither end the process nor keep it from ending, so write errors are ignored: a failure to log cannot be
 * logged.
 */
function openDestination(dest: number): ReturnType<typeof pino.destination> {
  const stat = fstatSync(dest);
  if (stat.isFIFO() || stat.isSocket()) return pino.destination({ dest, sync: false });
  const file = pino.destination({ dest, sync: true, maxLength: KEPT_BYTES });
  file.on('error', () => undefined);
  // Each line is written as it comes. Pino's own flush would retry the rest until there is room.
  file.flushSync = () => undefined;
  return file;
}
