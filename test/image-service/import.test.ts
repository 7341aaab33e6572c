import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { importImage } from '../../src/image-service/import-image.js';
import { preparePlace } from '../../src/image-service/place.js';
import { namePreparation } from '../../src/runner/leftovers.js';

describe('importImage', () => {
  let directory: string;
  let rootfs: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-import-'));
    rootfs = join(directory, 'compute.squashfs');
    writeFileSync(rootfs, 'hsqs and more');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const listFiles = () => readdirSync(join(directory, 'boot-images'));

  test('leaves nothing if the record cannot be written', async () => {
    const place = await preparePlace(directory);
    rmSync(join(directory, 'images'), { recursive: true });
    const files = { name: 'compute', arch: 'x86_64', rootfs } as const;
    await expect(importImage(place, files)).rejects.toThrow('ENOENT');
    expect(listFiles()).toEqual([]);
  });

  test('is not removed by a service that starts meanwhile, however long it copies', async () => {
    await preparePlace(directory);
    const copying = namePreparation();
    mkdirSync(join(directory, 'boot-images', copying));
    utimesSync(join(directory, 'boot-images', copying), 1, 1);
    await preparePlace(directory);
    expect(listFiles()).toEqual([copying]);
  });
});
