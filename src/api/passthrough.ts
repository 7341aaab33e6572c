import { parseArgs } from 'node:util';
import { invalid } from '../core/errors.js';
import { splitWords } from '../core/shell-words.js';

/** The options of ansible-playbook that CFS allows. */
const options = {
  'extra-vars': { type: 'string', short: 'e', multiple: true },
  forks: { type: 'string', short: 'f', multiple: true },
  'skip-tags': { type: 'string', multiple: true },
  'start-at-task': { type: 'string', multiple: true },
  tags: { type: 'string', short: 't', multiple: true },
} as const;

/** The kernel's limit of one argument, without its end. Checking a longer text would also block this process's other requests. */
const MAX_BYTES = 128 * 1024 - 1;

/** Throws `invalid` for options that are not allowed. Only checks: the text is stored unchanged. */
export function checkPassthrough(text: string): void {
  if (Buffer.byteLength(text) > MAX_BYTES) throw refuse(`it has more than ${MAX_BYTES} bytes`);
  const args = toWords(text).map(expandPrefix);
  let parsed;
  try {
    parsed = parseArgs({ args, options, strict: true, allowPositionals: false, tokens: true });
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (parsed.tokens.some(({ kind }) => kind === 'option-terminator')) {
    throw refuse('"--" is not allowed');
  }
  for (const forks of parsed.values.forks ?? []) {
    if (!/^[1-9]\d{0,5}$/.test(forks)) throw refuse(`forks: "${forks}" is not a number of forks`);
  }
}

function toWords(text: string): readonly string[] {
  const words = splitWords(text);
  if (words === undefined) throw refuse('a quotation mark or an escape is not closed');
  return words;
}

/** Completes shortened long options, which ansible-playbook accepts if they are unambiguous. */
function expandPrefix(argument: string): string {
  const match = /^--(?<name>[^=]+)(?<rest>.*)$/s.exec(argument)?.groups;
  if (match === undefined) return argument;
  const { name = '', rest = '' } = match;
  const candidates = Object.keys(options).filter((option) => option.startsWith(name));
  if (candidates.length > 1 && !candidates.includes(name)) {
    throw refuse(`"--${name}" may be ${candidates.map((option) => `--${option}`).join(' or ')}`);
  }
  return candidates.length === 1 ? `--${candidates[0] ?? name}${rest}` : argument;
}

function refuse(what: string): Error {
  return invalid(`Error validating ansible-passthrough: ${what} - 'ansible_passthrough'`);
}
