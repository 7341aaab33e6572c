import { pino, type Logger } from 'pino';

export type { Logger };

/** Structured on a pipe, readable on a terminal; every line carries the process's part. */
export function createLogger(part: string, level = 'info'): Logger {
  return pino({
    level,
    base: { part },
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(process.stdout.isTTY
      ? { transport: { target: 'pino-pretty', options: { ignore: 'part', singleLine: true } } }
      : {}),
  });
}
