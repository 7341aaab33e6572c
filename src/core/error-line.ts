const COLOURS = /\u001B\[[\d;]*m/g;

/**
 * The last line that begins with `ERROR` (Ansible and our own programs) or with git's `fatal:`. If it ends with a colon, the
 * lines after it belong to it. If it is about a mistake in a file, the result begins with the place, which Ansible prints at
 * the end.
 */
export function findErrorLine(colouredTail: string): string | undefined {
  const tail = colouredTail.replace(COLOURS, '');
  const lines = tail.split('\n');
  // `fatal: [` is how Ansible begins the result of a task, which may have been rescued.
  const index = lines.findLastIndex((text) => /^\s*(\[?ERROR|fatal:(?! \[))/.test(text));
  const line = lines[index]?.replace(/^\s*\[?ERROR[\]!:]*\s*/, '');
  if (line === undefined) return undefined;
  const behind = lines.slice(index + 1).join('\n');
  const place = findPlace(behind);
  const said = `${place === undefined ? '' : `${place}: `}${toWhole(line, behind, tail)}`;
  return said.replace(/\s+/g, ' ').trim() || undefined;
}

function toWhole(line: string, behind: string, tail: string): string {
  if (line.endsWith(':')) return findYamlFault(behind) ?? `${line} ${behind}`;
  if (line.endsWith('Unable to retrieve file contents')) return behind.split('\n')[0] || line;
  if (line.startsWith('Completely failed to parse')) return findSourceFault(line, tail);
  return line.endsWith('no hosts to target.') ? `${line} ${listUnmatched(tail)}` : line;
}

const PARSE_WARNINGS =
  /\[WARNING\]: (?:\* )?Failed to parse .+? with '?(\w+)'? plugin: (.+?)(?= Failed to parse inventory with | \[WARNING\]: | \[?ERROR)/g;

/**
 * The source of an inventory that cannot be read, and why. Several plugins of Ansible try to read it, and each warns; that of
 * another format says nothing of use.
 */
function findSourceFault(line: string, tail: string): string {
  const [, folder = '', source = ''] = /source (.*?\/(?=hosts\/))?(.+)$/.exec(line) ?? [];
  const isYaml = /\.(ya?ml|json)$/.test(source);
  const fault = Array.from(tail.replace(/\s+/g, ' ').matchAll(PARSE_WARNINGS)).find(
    ([, plugin = '', text = '']) =>
      (plugin !== 'ini' || !isYaml) &&
      (plugin !== 'yaml' || isYaml) &&
      !/no root 'plugin' key|^Plugin configuration YAML file/.test(text),
  )?.[2];
  if (fault === undefined) return line;
  const [, yaml, at] = /loading YAML\. (.+?) The error appears .*?: line (\d+)/.exec(fault) ?? [];
  const told = yaml === undefined ? fault.replaceAll(folder, '') : `line ${at}: ${yaml}`;
  return `${source}: ${told}`;
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

/** The file, relative to the repository of its layer or the workspace, and the line. Ansible before 2.19 puts them into a sentence. */
function findPlace(behind: string): string | undefined {
  const sentence =
    /error appears to be in '(?:.*?\/(?:layer\d+\/|(?=hosts\/)))?(.+)': line (\d+), column \d+/;
  const origin = /^Origin: (?:.*?\/(?:layer\d+\/|(?=hosts\/)))?(.+?):(\d+)(?::\d+)?$/m;
  const [, file, line] = sentence.exec(behind) ?? origin.exec(behind) ?? [];
  return file === undefined ? undefined : `${file}, line ${line ?? ''}`;
}
