import { fstatSync } from 'node:fs';
import { pino, type Logger } from 'pino';
import { isServiceError } from '../core/errors.js';

export type { Logger };

/** What is kept of lines that cannot be written, until they can. */
const KEPT_BYTES = 1024 * 1024;

/** Structured on a pipe, readable on a terminal; every line carries the process's part. */
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

/** Of a fault its sentence is enough; where it was thrown matters for a defect. */
function toErrorField(error: Error): object {
  return isServiceError(error)
    ? { fault: error.fault, message: error.message }
    : pino.stdSerializers.err(error);
}

/** A disk that is full neither ends the process nor keeps it from ending: nobody can be told what cannot be logged. */
function openDestination(dest: number): ReturnType<typeof pino.destination> {
  const stat = fstatSync(dest);
  if (stat.isFIFO() || stat.isSocket()) return pino.destination({ dest, sync: false });
  const file = pino.destination({ dest, sync: true, maxLength: KEPT_BYTES });
  file.on('error', () => undefined);
  // Each line is written when it comes; pino's own would try to write what is left until there is room.
  file.flushSync = () => undefined;
  return file;
}
