import { join } from 'node:path';

/** The files of one job while it is not over. */
export function workPaths(directory: string) {
  return {
    directory,
    /** What its user sees as `/`. */
    root: join(directory, 'root'),
    resolver: join(directory, 'resolver'),
    /** What sshd reads, and says. */
    ssh: {
      config: join(directory, 'sshd-config'),
      hostKey: join(directory, 'host-key'),
      authorizedKeys: join(directory, 'authorized-keys'),
      passwd: join(directory, 'passwd'),
      shadow: join(directory, 'shadow'),
      log: join(directory, 'sshd.log'),
    },
    /** What becomes the new image's. */
    image: join(directory, 'image'),
  };
}

export type WorkPaths = ReturnType<typeof workPaths>;
