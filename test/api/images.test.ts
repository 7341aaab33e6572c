import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openHttpService, type HttpService } from './http-service.js';

const groups = [{ name: 'compute', members: ['5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a'] }];
const toBody = (name: string, target: object = {}) => ({
  ...{ name, configuration_name: 'debug_noop' },
  target: { definition: 'image', groups, ...target },
});

describe('image sessions', () => {
  let service: HttpService;
  afterAll(() => service.close());

  describe('without an image management service', () => {
    beforeAll(async () => {
      service = await openHttpService();
    });
    afterAll(() => service.close());

    test('are refused with the name of the missing setting', async () => {
      const { status, body } = await service.ask('POST', '/v3/sessions', toBody('a'));
      expect([status, body]).toMatchObject([
        400,
        { detail: expect.stringMatching(/IMS_URL - 'target\.definition'$/) },
      ]);
      expect((await service.ask('GET', '/v3/sessions/a')).status).toBe(404);
    });
  });

  describe('of an external operator', () => {
    beforeAll(async () => {
      service = await openHttpService({ isExternal: true });
    });

    test('are accepted without checks of images', async () => {
      const { status } = await service.ask('POST', '/v3/sessions', toBody('a'));
      expect(status).toBe(201);
    });
  });
});

describe('with an image management service', () => {
  let service: HttpService;
  beforeAll(async () => {
    service = await openHttpService({ customizesImages: true });
  });
  afterAll(() => service.close());

  test.each([
    ['as written', '5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a'],
    ['without dashes, in capitals', '5C1A4A0E4A6B4C8E9D5E2F6F1F3F8F0A'],
    ['in braces', '{5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a}'],
    ['as a URN', 'urn:uuid:5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a'],
  ])('takes ids %s, and shows them so', async (title, member) => {
    const name = title.toLowerCase().replaceAll(/[^a-z]+/g, '-');
    const given = [{ name: 'g', members: [member] }];
    expect(
      await service.ask('POST', '/v3/sessions', toBody(name, { groups: given })),
    ).toMatchObject({ status: 201, body: { target: { groups: given, image_map: null } } });
  });

  test('accepts an entry of image_map for an image that is in no group', async () => {
    const image_map = [{ source_id: 'anything', result_name: 'mine' }];
    expect(await service.ask('POST', '/v3/sessions', toBody('map', { image_map }))).toMatchObject({
      status: 201,
      body: { target: { image_map } },
    });
  });
});
