export const IS_ROOT = process.getuid?.() === 0;
/** Root without it has no more power over the processes of others than anybody else. */
export const WITHOUT_KILL = ['--bounding-set', '-kill', '--inh-caps', '-kill'];
/** Leaves a process of another user, as a task with `become` may; its number is in the file `foreign`. */
export const FOREIGN_DAEMON =
  'setsid setpriv --reuid 65534 --clear-groups sleep 300 > /dev/null 2>&1 & echo $! > foreign; ' +
  'until [ "$(stat -c %u /proc/$!)" = 65534 ]; do sleep 0.01; done';
