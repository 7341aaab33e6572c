/** @param {readonly number[]} values */
export function summarize(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => {
    const position = (sorted.length - 1) * part;
    const below = sorted[Math.floor(position)] ?? NaN;
    const above = sorted[Math.ceil(position)] ?? NaN;
    return below + (above - below) * (position - Math.floor(position));
  };
  return { median: at(0.5), min: at(0), max: at(1), values };
}

/** @param {number} milliseconds */
export const toSeconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

/** @param {number} bytes */
export const toMegabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
