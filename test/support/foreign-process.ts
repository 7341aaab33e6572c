export const IS_ROOT = process.getuid?.() === 0;
/** Takes the capability CAP_KILL from root, which then may not signal processes of other users. */
export const WITHOUT_KILL = ['--bounding-set', '-kill', '--inh-caps', '-kill'];
/** Leaves a process of another user behind, as a task with `become` may. Its pid is in the file `foreign`. */
export const FOREIGN_DAEMON =
  'setsid setpriv --reuid 65534 --clear-groups sleep 300 > /dev/null 2>&1 & echo $! > foreign; ' +
  'until [ "$(stat -c %u /proc/$!)" = 65534 ]; do sleep 0.01; done';
