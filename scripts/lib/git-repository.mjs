import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** @typedef {ReturnType<typeof createRepository>} Repository */
/** @typedef {{ files?: Record<string, string>, remove?: readonly string[], message?: string, branch?: string }} RepositoryChange */

/**
 * Makes a bare repository with a file:// address from files.
 * @param {{ files: Record<string, string>, branch?: string, directory?: string, config?: Record<string, string>, objectFormat?: string }} options
 *   config has settings of the bare repository, such as `uploadpack.allowAnySHA1InWant`
 */
export function createRepository({
  files,
  branch = 'main',
  directory,
  config = {},
  objectFormat = 'sha1',
}) {
  const base = directory ?? mkdtempSync(join(tmpdir(), 'keelson-git-'));
  const bare = join(base, 'repository.git');
  const tree = join(base, 'tree');
  mkdirSync(base, { recursive: true });
  const init = ['init', '-q', `--initial-branch=${branch}`, `--object-format=${objectFormat}`];
  git(base, [...init, '--bare', bare]);
  for (const [name, value] of Object.entries(config)) git(bare, ['config', name, value]);
  git(base, [...init, tree]);
  git(tree, ['remote', 'add', 'origin', bare]);

  /** @param {Omit<RepositoryChange, 'branch'>} change */
  const commit = ({ files: changed = {}, remove = [], message = 'change' }) => {
    writeFiles(tree, changed);
    for (const file of remove) rmSync(join(tree, file), { recursive: true, force: true });
    git(tree, ['add', '--all', '.']);
    git(tree, ['commit', '-q', '--allow-empty', '-m', message]);
    git(tree, ['push', '-q', 'origin', 'HEAD']);
    return git(tree, ['rev-parse', 'HEAD']);
  };
  const first = commit({ files, message: 'first' });
  return {
    /** Of the bare repository. */
    directory: bare,
    url: pathToFileURL(bare).href,
    branch,
    commit: first,
    /** Commits to a branch, by default the first one, and returns the commit's id. @param {RepositoryChange} change */
    addCommit({ branch: target = branch, ...change }) {
      git(tree, ['checkout', '-q', target]);
      return commit(change);
    },
    /** @param {string} name */
    createBranch(name, from = branch) {
      git(tree, ['branch', name, from]);
      git(tree, ['push', '-q', 'origin', name]);
    },
    /** @param {string} name */
    createTag(name, from = branch) {
      git(tree, ['tag', '-a', '-m', name, name, from]);
      git(tree, ['push', '-q', 'origin', `refs/tags/${name}`]);
    },
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

/** @param {string} root @param {Record<string, string>} files */
function writeFiles(root, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

/** @param {string} directory @param {string[]} argv */
function git(directory, argv) {
  const identity = { NAME: 'Keelson', EMAIL: 'keelson@example.org', DATE: '2026-01-01T00:00:00Z' };
  const env = {
    PATH: process.env.PATH,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    ...Object.fromEntries(
      Object.entries(identity).flatMap(([key, value]) =>
        ['AUTHOR', 'COMMITTER'].map((who) => [`GIT_${who}_${key}`, value]),
      ),
    ),
  };
  return execFileSync('git', argv, { cwd: directory, env, encoding: 'utf8' }).trim();
}
