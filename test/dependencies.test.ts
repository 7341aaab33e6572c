import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';

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
});
