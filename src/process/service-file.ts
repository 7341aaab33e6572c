import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../runner/files.js';
import type { Service } from './run.js';

/** Where the parts of an embedded service are reached. Null: it has no such part. */
export interface ServiceParts {
  readonly api: string;
  readonly temporal: string | null;
  readonly temporalUi: string | null;
  readonly images: string | null;
  readonly pid: number;
}

/** Keeps `service.json` in the data directory until it is closed. */
export async function keepServiceFile(
  dataDirectory: string,
  parts: ServiceParts,
): Promise<Service> {
  const file = toPath(dataDirectory);
  await replaceFile(file, `${JSON.stringify(parts)}\n`);
  return { close: () => rm(file, { force: true }) };
}

/** Undefined if no embedded service has this data directory. */
export function readServiceFile(
  dataDirectory: string,
): Pick<ServiceParts, 'temporal' | 'images'> | undefined {
  const file = toPath(dataDirectory);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as ServiceParts;
}

function toPath(dataDirectory: string): string {
  return join(dataDirectory, 'service.json');
}
