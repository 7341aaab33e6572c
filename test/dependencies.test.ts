import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { dependencies } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { dependencies: Record<string, string> };

describe('package.json', () => {
  test('names Kubernetes’ client in a version that loads', () => {
    const script = `import('@kubernetes/client-node').then((k) => console.log(typeof k.KubeConfig))`;
    expect(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }).trim()).toBe(
      'function',
    );
  });

  test('pins every dependency, and all of Temporal to one version', () => {
    const loose = Object.entries(dependencies).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    expect(loose).toEqual([]);
    const temporal = Object.entries(dependencies).filter(([name]) =>
      name.startsWith('@temporalio/'),
    );
    expect(new Set(temporal.map(([, version]) => version)).size).toBe(1);
  });

  test('have Kubernetes’ client, which is large, in no process that does not need it', () => {
    const script = `import { registerHooks } from 'node:module';
      const packages = new Set();
      const load = (url, context, next) => {
        packages.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]);
        return next(url, context);
      };
      registerHooks({ load });
      await import('#dist/worker.js');
      console.log(JSON.stringify([...packages]));`;
    const words = ['--input-type=module', '-e', script];
    const loaded = JSON.parse(
      execFileSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' }),
    ) as string[];
    expect(loaded).toContain('@temporalio/worker');
    expect(loaded).not.toContain('@kubernetes/client-node');
  });
});
