const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const PORT = /^(?<host>(?:[^:[\]]|\[[^[\]]*\])*):\d+$/;
const RANGE = /\[(?<from>\w*):(?<to>\w+)(?::(?<step>\d+))?\]/;
/** A range with more hosts is not expanded. */
const MOST_HOSTS = 100_000;

/** The hosts that a name in an Ansible inventory stands for: `x[1:3]:22` is x1, x2 and x3; the port is dropped. */
export function expandHost(name: string): readonly string[] {
  if (!name.includes(':')) return [name];
  let hosts: readonly string[] = [PORT.exec(name)?.groups?.['host'] ?? name];
  for (;;) {
    const { 0: range = '', groups } = RANGE.exec(hosts[0] ?? '') ?? {};
    if (groups === undefined) return hosts;
    const steps = listSteps(groups, MOST_HOSTS / hosts.length);
    if (steps.length === 0) return [name];
    hosts = hosts.flatMap((host) => steps.map((step) => host.replace(range, step)));
  }
}

/** Empty if Ansible does not take it for a range, or if it is too long. */
function listSteps(
  { from: given = '', to = '', step: stepText = '1' }: Readonly<Record<string, string>>,
  most: number,
): readonly string[] {
  const from = given === '' ? '0' : given;
  const areLetters = LETTERS.includes(from) && LETTERS.includes(to);
  const [first, last] = areLetters
    ? [LETTERS.indexOf(from), LETTERS.indexOf(to)]
    : [Number(from), Number(to)];
  const step = Number(stepText);
  const count = Math.floor((last - first) / step) + 1;
  // NaN if one of the bounds is not a number.
  if (!(count > 0 && count <= most)) return [];
  const width = from.startsWith('0') ? from.length : 0;
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * step;
    return areLetters ? (LETTERS[at] ?? '') : String(at).padStart(width, '0');
  });
}
