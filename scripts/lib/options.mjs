import { parseArgs } from 'node:util';

/** @typedef {NonNullable<import('node:util').ParseArgsConfig['options']>} Options */

/**
 * Parses the command line. Prints the help for `--help`, and also for unknown words, with exit code `onMistake`.
 * @template {Options} T
 * @param {string} help @param {T} options @param {number} [onMistake]
 */
export function readOptions(help, options, onMistake = 1) {
  return read(help, { options }, onMistake).values;
}

/**
 * The same, with positional words.
 * @template {Options} T @param {string} help @param {T} options
 */
export function readArguments(help, options) {
  return read(help, { options, allowPositionals: /** @type {const} */ (true) }, 1);
}

/**
 * @template {import('node:util').ParseArgsConfig & { options: Options }} T
 * @param {string} help @param {T} config @param {number} onMistake
 */
function read(help, config, onMistake) {
  if (process.argv.slice(2).includes('--help')) {
    console.log(help);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${/** @type {Error} */ (error).message.split('. ', 1)[0]}.\n\n${help}`);
    process.exit(onMistake);
  }
}
