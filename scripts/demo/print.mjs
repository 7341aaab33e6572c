const isTerminal = process.stdout.isTTY === true && !process.env.NO_COLOR;

/** @param {string} code @returns {(text: string) => string} */
const style = (code) => (text) => (isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text);

const bold = style('1');
export const dim = style('2');
export const green = style('32');
export const red = style('31');

/** @param {string} text */
export function printTitle(text) {
  console.log(`\n${bold(text)}`);
}

/**
 * Columns as wide as their widest cell; numbers to the right.
 * @param {readonly string[]} head @param {readonly (readonly (string | number)[])[]} rows
 */
export function printTable(head, rows) {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column]).length)),
  );
  const render = (/** @type {readonly (string | number)[]} */ cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  console.log(`  ${dim(render(head))}`);
  for (const row of rows) console.log(`  ${render(row)}`);
}

/** Times without fractions of a second give whole seconds. @param {string | null} start @param {string | null} end */
export function formatDuration(start, end) {
  if (start === null || end === null) return '-';
  const digits = start.includes('.') ? 2 : 0;
  return `${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(digits)} s`;
}
