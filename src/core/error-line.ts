/**
 * The last line that begins with `ERROR`, as Ansible and our own programs write it; with those behind it, where it ends with a
 * colon; of a mistake in a file with the place first, which Ansible tells last.
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

/** Without what Ansible has tried before: a playbook is no JSON either. */
function findYamlFault(behind: string): string | undefined {
  return /Syntax Error while loading YAML\.\n(.+)/.exec(behind)?.[1];
}

/** Below the repository of its layer; Ansible before 2.19 has a sentence for it. */
function findPlace(behind: string): string | undefined {
  const sentence = /error appears to be in '(?:.*\/layer\d+\/)?(.+)': line (\d+), column \d+/;
  const origin = /^Origin: (?:.*\/layer\d+\/)?(.+?):(\d+)(?::\d+)?$/m;
  const [, file, line] = sentence.exec(behind) ?? origin.exec(behind) ?? [];
  return file === undefined ? undefined : `${file}, line ${line ?? ''}`;
}
