import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createDiskGuard } from '../../src/process/disk-guard.js';
import { readDiskSpace, type DiskSpace } from '../../src/process/disk-space.js';
import { completeSession, openService, type TestService } from '../api/service.js';

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };
function ignore(): void {}

const guard = (read: () => Promise<DiskSpace>) =>
  createDiskGuard({ directory: '/data', logger: silent, read });
const full = () => Promise.resolve({ usedBytes: 950, availableBytes: 50 });

let service: TestService;
afterEach(() => service.close());

describe('POST of a session', () => {
  test.each(['/v3/sessions', '/apis/cfs/v3/sessions'])(
    '%s is refused while the disk is nearly full, with the disk and how full it is',
    async (path) => {
      service = await openService({ requireRoom: guard(full) });
      const body = { name: 'a', configuration_name: 'debug_noop' };
      const answer = await service.ask('POST', path, body);
      expect(answer).toMatchObject({
        status: 503,
        body: { detail: expect.stringMatching(/data directory \/data is 95 % full/) },
      });
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await service.store.sessions.find('a')).toBeUndefined();
    },
  );

  test('does not touch running sessions', async () => {
    let space: DiskSpace = { usedBytes: 949, availableBytes: 51 };
    service = await openService({ requireRoom: () => guard(() => Promise.resolve(space))() });
    const body = { name: 'a', configuration_name: 'debug_noop' };
    expect((await service.ask('POST', '/v3/sessions', body)).status).toBe(201);
    space = { usedBytes: 990, availableBytes: 10 };
    expect((await service.ask('POST', '/v3/sessions/a/cancel')).status).toBe(202);
    await completeSession(service.store, 'a');
    expect((await service.ask('GET', '/v3/sessions/a')).body).toMatchObject({
      status: { session: { status: 'complete' } },
    });
  });

  test('is accepted if the disk cannot be read', async () => {
    const broken = guard(() => Promise.reject(new Error('EIO')));
    service = await openService({ requireRoom: broken });
    const body = { name: 'a', configuration_name: 'debug_noop' };
    expect((await service.ask('POST', '/v3/sessions', body)).status).toBe(201);
    await expect(
      createDiskGuard({
        directory: `${tmpdir()}/not-there`,
        logger: silent,
        read: readDiskSpace,
      })(),
    ).resolves.toBeUndefined();
  });
});
