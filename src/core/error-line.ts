/**
 * The last line that begins with `ERROR`, as Ansible and our own programs write it. If it ends with a colon, the lines after it
 * belong to it. If it is about a mistake in a file, it begins with the place, which Ansible tells at the end.
 */
export function findErrorLine(tail: string): string | undefined {
  const lines = tail.split('\n');
  const index = lines.findLastIndex((text) => /^\s*(\[?ERROR|fatal:)/.test(text));
  const line = lines[index]?.replace(/^\s*\[?ERROR[\]!:]*\s*/, '');
  if (line === undefined) return undefined;
  const behind = lines.slice(index + 1).join('\n');
  const place = findPlace(behind);
  const said = line.endsWith(':') ? (findYamlFault(behind) ?? `${line} ${behind}`) : line;
  return `${place === undefined ? '' : `${place}: `}${said}`.replace(/\s+/g, ' ').trim();
}

/** Ansible tries JSON first and complains about that too; only what it says of YAML is of use. */
function findYamlFault(behind: string): string | undefined {
  return /Syntax Error while loading YAML\.\n(.+)/.exec(behind)?.[1];
}

/** The file, relative to the repository of its layer, and the line. Ansible before 2.19 tells them in a sentence. */
function findPlace(behind: string): string | undefined {
  const sentence = /error appears to be in '(?:.*\/layer\d+\/)?(.+)': line (\d+), column \d+/;
  const origin = /^Origin: (?:.*\/layer\d+\/)?(.+?):(\d+)(?::\d+)?$/m;
  const [, file, line] = sentence.exec(behind) ?? origin.exec(behind) ?? [];
  return file === undefined ? undefined : `${file}, line ${line ?? ''}`;
}
