import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import {
  protectImageService,
  startImageService,
  toOwnImages,
} from '../../src/process/image-service.js';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { createImageSite, describeImages } from '../image-service/image-site.js';
import { waitFor } from '../support/wait.js';

const PROGRAM = fileURLToPath(new URL('../../dist/image-service/main.js', import.meta.url));

describeImages('startImageService', () => {
  test('restarts a service that dies, at the same address, and ends it on close', async () => {
    const site = createImageSite();
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line) => void lines.push(line) });
    const { imageService } = parseConfig({ IMAGE_SERVICE_DIRECTORY: site.data });
    const service = await startImageService(imageService, logger, PROGRAM);
    const answers = async () => (await fetch(`${service.url}/healthz/ready`)).ok;
    const find = () => findProcesses({ marks: [`IMAGE_SERVICE_DIRECTORY=${site.data}`] });
    expect(await answers()).toBe(true);
    const [first = 0] = find();
    process.kill(first, 'SIGKILL');
    await waitFor(() => !find().includes(first), { what: 'its end' });
    await waitFor(answers, { what: 'its answer' });
    expect(lines.join('')).toContain('image service ended; starting it again');
    await service.close();
    await expect(answers()).rejects.toThrow('fetch failed');
    expect(find()).toEqual([]);
    await site.close();
  });

  test('asks for a token that only this service knows, if the API asks for tokens', async () => {
    const site = createImageSite();
    const { imageService } = parseConfig({ IMAGE_SERVICE_DIRECTORY: site.data });
    const protect = () =>
      protectImageService(imageService, { kind: 'tokens', file: 'tokens' }, site.data);
    const config = protect();
    const service = await startImageService(config, pino({ level: 'silent' }), PROGRAM);
    const { imsUrl, imsTokenFile = '' } = toOwnImages(service.url, config);
    const ask = async (headers: Record<string, string> = {}) =>
      (await fetch(`${imsUrl}/images`, { headers })).status;
    const token = readFileSync(imsTokenFile, 'utf8').trim();
    expect(await ask()).toBe(401);
    expect(await ask({ authorization: `Bearer ${token}` })).toBe(200);
    expect(statSync(imsTokenFile).mode & 0o777).toBe(0o600);
    expect(protect()).toEqual(config);
    await service.close();
    await site.close();
  });

  test('keeps the token of the operator, and asks for none if the API asks for none', () => {
    const { imageService } = parseConfig({});
    const own = { ...imageService, tokenFile: '/own' };
    expect(protectImageService(own, { kind: 'tokens', file: 'tokens' }, '/none')).toBe(own);
    expect(protectImageService(imageService, { kind: 'loopback' }, '/none')).toBe(imageService);
  });

  test('says why it cannot start', async () => {
    const { imageService } = parseConfig({ IMAGE_SERVICE_DIRECTORY: '/dev/null/none' });
    const silent = pino({ level: 'silent' });
    await expect(startImageService(imageService, silent, PROGRAM)).rejects.toThrow(
      'IMAGE_SERVICE_DIRECTORY: the directory /dev/null/none cannot be written to (ENOTDIR). Name one that the user of this process may write to.',
    );
  });
});
