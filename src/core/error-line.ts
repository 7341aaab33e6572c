/**
 * The last line that begins with `ERROR` (Ansible and our own programs) or `fatal:`. If it ends with a colon, the lines after
 * it belong to it. If it is about a mistake in a file, the result begins with the place, which Ansible prints at the end.
 */
export function findErrorLine(tail: string): string | undefined {
  const lines = tail.split('\n');
  const index = lines.findLastIndex((text) => /^\s*(\[?ERROR|fatal:)/.test(text));
  const line = lines[index]?.replace(/^\s*\[?ERROR[\]!:]*\s*/, '');
  if (line === undefined) return undefined;
  const behind = lines.slice(index + 1).join('\n');
  const place = findPlace(behind);
  const said = `${place === undefined ? '' : `${place}: `}${toWhole(line, behind, tail)}`;
  return said.replace(/\s+/g, ' ').trim();
}

function toWhole(line: string, behind: string, tail: string): string {
  if (line.endsWith(':')) return findYamlFault(behind) ?? `${line} ${behind}`;
  return line.endsWith('no hosts to target.') ? `${line} ${listUnmatched(tail)}` : line;
}

/** If a limit matches nothing, Ansible warns beforehand about each part of it that does not match. */
function listUnmatched(tail: string): string {
  return Array.from(
    tail.matchAll(/Could not match supplied host pattern,\s+ignoring:\s+.+/g),
    ([warning]) => `${warning}.`,
  ).join(' ');
}

/** Ansible tries JSON first and complains about that too; only its error about YAML is of use. */
function findYamlFault(behind: string): string | undefined {
  return /Syntax Error while loading YAML\.\n(.+)/.exec(behind)?.[1];
}

/** The file, relative to the repository of its layer, and the line. Ansible before 2.19 puts them into a sentence. */
function findPlace(behind: string): string | undefined {
  const sentence = /error appears to be in '(?:.*\/layer\d+\/)?(.+)': line (\d+), column \d+/;
  const origin = /^Origin: (?:.*\/layer\d+\/)?(.+?):(\d+)(?::\d+)?$/m;
  const [, file, line] = sentence.exec(behind) ?? origin.exec(behind) ?? [];
  return file === undefined ? undefined : `${file}, line ${line ?? ''}`;
}
