const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const PORT = /^(?<host>(?:[^:[\]]|\[[^[\]]*\])*):\d+$/;
const RANGE = /\[(?<from>\w*):(?<to>\w+)(?::(?<step>\d+))?\]/;
/** More are not counted out. */
const MOST_HOSTS = 100_000;

/** The hosts that a name stands for in an inventory of Ansible, where `x[1:3]:22` is x1, x2 and x3, each with a port. */
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

/** None: it is no range to Ansible, or one that is too long. */
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
  // Not a number where one of them is none.
  if (!(count > 0 && count <= most)) return [];
  const width = from.startsWith('0') ? from.length : 0;
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * step;
    return areLetters ? (LETTERS[at] ?? '') : String(at).padStart(width, '0');
  });
}
