import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { parseReportLine } from '../../src/activities/report-line.js';

const host = {
  host: 'x1',
  ok: 1,
  changed: 0,
  failed: 0,
  skipped: 0,
  unreachable: 0,
  incomplete: false,
};

function sign(report: object, token: string): string {
  const payload = gzipSync(JSON.stringify(report)).toString('base64');
  return `keelson-report:${payload}:${createHmac('sha256', token).update(payload).digest('hex')}`;
}

const parse = (text: string) => parseReportLine(Buffer.from(text), 'token', 'ansible-0');
const report = { phase: 'ansible-0', hosts: [host] };

describe('parseReportLine', () => {
  test('takes the last line where the token signed it', () => {
    expect(parse(`output\n${sign(report, 'token')}\n`)).toEqual({
      hosts: [host],
      recordsState: false,
    });
    const recording = sign({ ...report, records_state: true }, 'token');
    expect(parse(`${recording}\n`)).toMatchObject({ recordsState: true });
  });

  test.each([
    ['a task forged it', `${sign(report, 'another token')}\n`],
    ['it is of another phase', `${sign({ ...report, phase: 'ansible-1' }, 'token')}\n`],
    ['it is not the last line', `${sign(report, 'token')}\nmore\n`],
    ['there is none', 'output\n'],
    ['the log is empty', ''],
  ])('takes nothing when %s', (_, text) => {
    expect(parse(text)).toBeUndefined();
  });
});
