import { formatDuration, paint, renderTable } from '#dist/cli/output.js';

export { formatDuration };

/** @param {string} text */
export const dim = (text) => paint('dim', text);
/** @param {string} text */
export const green = (text) => paint('green', text);
/** @param {string} text */
export const red = (text) => paint('red', text);

/** @param {string} text */
export function printTitle(text) {
  console.log(`\n${paint('bold', text)}`);
}

/** @param {readonly string[]} head @param {readonly (readonly (string | number)[])[]} rows */
export function printTable(head, rows) {
  for (const line of renderTable(head, rows)) console.log(`  ${line}`);
}
