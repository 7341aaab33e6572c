import { at } from '../numbers.mjs';

/**
 * @typedef {{ what: string, value: number, unit: string, least?: number, most?: number, original?: string, more?: object }} Figure
 * `least` and `most` are targets; `original` is what the original CFS API reached on such a machine.
 */

/**
 * @param {string} what @param {readonly number[]} times @param {{ most?: number, original?: string }} [target]
 * @returns {Figure}
 */
export function toP99(what, times, target = {}) {
  const more = { count: times.length, median: at(times, 0.5), max: at(times, 1) };
  return { what: `${what}, p99`, value: at(times, 0.99), unit: 'ms', ...target, more };
}

/** @param {Figure} figure */
function isMet({ value, least = -Infinity, most = Infinity }) {
  return value >= least && value <= most;
}

/** @param {Figure} figure @returns {string[]} */
export function toRow(figure) {
  const { what, value, unit, least, most, original = '' } = figure;
  const digits = value < 100 ? 2 : 0;
  const verdict = isMet(figure) ? 'met' : 'MISSED';
  const target =
    least !== undefined
      ? `>= ${least} ${unit}: ${verdict}`
      : most !== undefined
        ? `${most === 0 ? 'none' : `< ${most} ${unit}`}: ${verdict}`
        : '';
  return [what, `${value.toFixed(digits)} ${unit}`, target, original];
}
