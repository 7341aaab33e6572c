import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import { startImageService } from '../../src/process/image-service.js';
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

  test('says why it cannot start', async () => {
    const { imageService } = parseConfig({ IMAGE_SERVICE_DIRECTORY: '/dev/null/none' });
    const silent = pino({ level: 'silent' });
    await expect(startImageService(imageService, silent, PROGRAM)).rejects.toThrow(
      'IMAGE_SERVICE_DIRECTORY: the directory /dev/null/none cannot be written to (ENOTDIR). Name one that the user of this process may write to.',
    );
  });
});
