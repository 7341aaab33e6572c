import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import { openPlatform } from '../../src/process/platform.js';

test('a KUBECONFIG that cannot be read is refused without showing its content', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-platform-'));
  const file = join(directory, 'config');
  writeFileSync(file, 'users:\n- user:\n    token: planted\n   name: x\n');
  const settings = join(directory, 'settings.yaml');
  writeFileSync(settings, 'image: registry.example.org/keelson\n');
  const opening = openPlatform({
    config: parseConfig({
      ...{ RUNNER: 'kubernetes', KUBERNETES_SETTINGS_FILE: settings },
      ...{ KUBECONFIG: file, JOB_API_URL: 'http://api' },
    }),
    logger: pino({ level: 'silent' }),
    deploymentId: '0123abcd',
    jobUrl: 'http://api',
  });
  await expect(opening).rejects.toMatchObject({
    message: `KUBECONFIG: ${file}: bad indentation of a mapping entry (4:4)`,
  });
  rmSync(directory, { recursive: true });
});
