import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The text of a file below test/fixtures. With UPDATE_FIXTURES=1 it is first replaced by `actual`, for review as a diff. */
export function readFixture(name: string, actual: string): string {
  const path = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  if (process.env['UPDATE_FIXTURES'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  return readFileSync(path, 'utf8');
}
