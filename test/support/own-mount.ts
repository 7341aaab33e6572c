import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { describe } from '@jest/globals';

/** Gives a process its own mounts, which end with it. Root needs no user namespace for that. */
export const UNSHARE = [
  'unshare',
  '--mount',
  ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
];

const canMount = () => {
  const [command, ...words] = [...UNSHARE, 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()];
  return spawnSync(command, words).status === 0;
};

export const describeWithMount: typeof describe.skip =
  process.env['REQUIRE_SERVERS'] === '1' || canMount() ? describe : describe.skip;
