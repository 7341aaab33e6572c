import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Replaces the file so that readers see either the old content or the new.
 * @param {string} file @param {string | Uint8Array} content
 */
export function replaceFile(file, content, mode = 0o644) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode });
  renameSync(draft, file);
}

/**
 * Runs `act` while holding the lock. A lock whose holder has died is taken over.
 * @template T
 * @param {string} file @param {() => Promise<T>} act
 * @param {(pid: string) => void} [onWait] called once when another process holds it
 */
export async function withLock(file, act, onWait) {
  mkdirSync(dirname(file), { recursive: true });
  for (let waited = false; !take(file); waited = true) {
    if (!waited) onWait?.(readOr(file, '').split(' ')[0] || 'unknown');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    return await act();
  } finally {
    rmSync(file, { force: true });
  }
}

/** @param {string} file @returns {boolean} */
function take(file) {
  const identity = `${process.pid} ${startTime(process.pid)}`;
  try {
    const descriptor = openSync(file, 'wx');
    writeFileSync(descriptor, identity);
    closeSync(descriptor);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  return takeOver(file, identity);
}

/** If two processes find an abandoned lock, the rename decides. @param {string} file @param {string} identity */
function takeOver(file, identity) {
  const holder = readOr(file, '');
  const [pid, started] = holder.split(' ');
  // Empty: just created, and its holder is about to write its identity.
  if (holder === '' || startTime(Number(pid)) === started) return false;
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return false;
  }
  const moved = readOr(aside, '');
  rmSync(aside, { force: true });
  return moved === holder && identity !== '' ? take(file) : false;
}

/** Distinguishes a process from a later one with the same pid. @param {number} pid */
function startTime(pid) {
  const stat = readOr(`/proc/${pid}/stat`, '');
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** @param {string} file @param {string} otherwise */
function readOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}
