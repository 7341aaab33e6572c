import { readFileSync } from 'node:fs';
import { findProcesses } from '../scripts/lib/processes.mjs';

/**
 * Resident bytes. `shared` divides memory that several processes map among them, so that values may be added up.
 * @param {number} pid
 */
export function readMemory(pid) {
  const text = read(`/proc/${pid}/smaps_rollup`);
  const field = (/** @type {string} */ name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { resident: field('Rss'), shared: field('Pss') };
}

/** The peak of the resident memory, in bytes. @param {number} pid */
export function readPeak(pid) {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/**
 * The processes of a job at this moment: Keelson's own, and what they run.
 * @param {string} job
 */
export function readJobMemory(job) {
  const sums = { own: { resident: 0, shared: 0 }, all: { resident: 0, shared: 0 } };
  for (const pid of findProcesses({ marks: [`KEELSON_JOB=${job}`] })) {
    const { resident, shared } = readMemory(pid);
    const isOwn = / -m job (all|run) /.test(read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
    for (const sum of isOwn ? [sums.own, sums.all] : [sums.all]) {
      sum.resident += resident;
      sum.shared += shared;
    }
  }
  return sums;
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
