/** @param {readonly number[]} values */
export function summarize(values) {
  return { median: at(values, 0.5), min: at(values, 0), max: at(values, 1), values };
}

/** The quantile, interpolated between two values. @param {readonly number[]} values @param {number} part */
export function at(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * part;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** @param {number} milliseconds */
export const toSeconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

/** @param {number} bytes */
export const toMegabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
