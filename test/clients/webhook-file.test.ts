import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readWebhooks } from '../../src/clients/webhook-file.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const certificate = readFileSync(
  new URL('../fixtures/tls/loopback.crt', import.meta.url),
  'utf8',
).replaceAll('\n', '\\n');

describe('readWebhooks', () => {
  let directory: string;
  let path: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-webhooks-'));
    path = join(directory, 'webhooks.yaml');
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const read = (text: string) => {
    writeFileSync(path, text);
    return readWebhooks(path);
  };

  test('has every member, and defaults for those that are missing', async () => {
    const webhooks = await read(`
- name: chat
  url: https://hooks.example/services/T0/B0?key=1
- name: pager-2
  url: http://127.0.0.1:9/
  headers: { Authorization: Bearer abc }
  secret: ${SECRET}
  when: failed
  format: text
  proxy: http://proxy:3128
  ca: "${certificate}"
`);
    expect(webhooks).toEqual([
      {
        ...{ name: 'chat', url: 'https://hooks.example/services/T0/B0?key=1' },
        ...{ headers: {}, when: 'all', format: 'full' },
      },
      {
        ...{ name: 'pager-2', url: 'http://127.0.0.1:9/', when: 'failed', format: 'text' },
        ...{ headers: { Authorization: 'Bearer abc' }, proxy: 'http://proxy:3128/' },
        secret: new Uint8Array(32).fill(7),
        ca: certificate.replaceAll('\\n', '\n'),
      },
    ]);
  });

  test('normalizes a URL in any spelling', async () => {
    const [webhook] = await read(
      '- {name: a, url: " HTTPS://Hooks.example/T0?a=B ", proxy: "HTTP://proxy"}',
    );
    expect(webhook).toMatchObject({ url: 'https://hooks.example/T0?a=B', proxy: 'http://proxy/' });
  });

  test.each(['', '[]', '# none yet'])('takes %j for no webhook', async (text) => {
    expect(await read(text)).toEqual([]);
  });

  test.each<[string, string]>([
    ['name: chat', 'is missing, or not of type array; it must be a list of webhooks'],
    ['- name: chat', 'entry 1 (chat): url is missing, or not of type string'],
    [
      '- {name: Chat, url: "http://s3cret/"}',
      'entry 1 (Chat): name has characters other than a-z, 0-9 and -, or is too long',
    ],
    ['- {name: a, url: "ftp://s3cret/"}', 'entry 1 (a): url is not an http or https URL'],
    [
      '- {name: a, url: "http://s3cret/", proxy: "s3cret:3128"}',
      'entry 1 (a): proxy is not an http or https URL',
    ],
    ['- {name: a, url: s3cret}', 'entry 1 (a): url is not an http or https URL'],
    [
      '- {name: a, url: "http://s3cret/"}\n- {name: a, url: "http://s3cret/"}',
      'entry 2 (a): name occurs twice',
    ],
    [
      '- {name: a, url: "http://s3cret/", when: s3cret}',
      'entry 1 (a): when is not one of all, failed',
    ],
    [
      '- {name: a, url: "http://s3cret/", format: s3cret}',
      'entry 1 (a): format is not one of full, text',
    ],
    [
      '- {name: a, url: "http://s3cret/", secret: s3cret}',
      'entry 1 (a): secret is not whsec_ followed by base64',
    ],
    [
      '- {name: a, url: "http://s3cret/", secret: whsec_s3cret}',
      'entry 1 (a): secret does not have 24 to 64 bytes',
    ],
    ['- {name: a, url: "http://s3cret/", ca: s3cret}', 'entry 1 (a): ca is not a PEM certificate'],
    [
      `- {name: a, url: "http://s3cret/", ca: "${certificate.slice(0, -40)}"}`,
      'entry 1 (a): ca is not a PEM certificate',
    ],
    ['- {name: a, url: "http://s3cret/", event: x}', 'entry 1 (a): has an unknown member, event'],
    [
      '- {name: a, "http://s3cret/": x, url: "http://s3cret/"}',
      'entry 1 (a): has an unknown member',
    ],
    [
      '- {name: a, url: "http://s3cret/", headers: {Webhook-Id: s3cret}}',
      'entry 1 (a): headers Webhook-Id is a header that cannot be set here',
    ],
    [
      '- {name: a, url: "http://s3cret/", headers: {"Bearer s3cret": x}}',
      'entry 1 (a): headers has an invalid header name',
    ],
    [
      '- {name: a, url: "http://s3cret/", headers: {Authorization: "s3cret\\nX: y"}}',
      'entry 1 (a): headers Authorization is not a valid header value',
    ],
    ['- {name: a, url: "http://s3cret/"', 'line 1 is not YAML (BAD_INDENT)'],
    ['- s3cret', 'entry 1: is missing, or not of type object'],
    ['- *s3cret', 'has an alias that cannot be followed'],
    [
      Array.from({ length: 51 }, (_, index) => `- {name: a${index}, url: "http://s3cret/"}`).join(
        '\n',
      ),
      'has more than 50 entries; it must be a list of webhooks',
    ],
  ])('refuses %j, and says why without a value', async (text, fact) => {
    await expect(read(text)).rejects.toMatchObject({
      fault: 'unavailable',
      message: `WEBHOOKS_FILE: ${path}: ${fact}.`,
    });
    await expect(read(text)).rejects.not.toThrow('s3cret');
  });

  test('says that the file is not there', async () => {
    await expect(readWebhooks(`${path}.not`)).rejects.toThrow(
      `WEBHOOKS_FILE: ${path}.not cannot be read (ENOENT).`,
    );
  });
});
