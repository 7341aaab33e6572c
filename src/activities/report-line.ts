import { createHmac, timingSafeEqual } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { HostResult } from '../core/job.js';
import type { RerunReport } from '../store/store.js';

/** The longest signed report: one line with the results of every host of one phase. */
export const REPORT_LINE_BYTES = 8 * 1024 * 1024;
const MAX_JSON_BYTES = 64 * 1024 * 1024;

export interface HostReport {
  /** Whether the results are to become state of components too. */
  readonly recordsState: boolean;
  /** Whether they do so without any host counting as having the layer. */
  readonly recordsIncomplete?: true;
  /** Whether each host that did not fail came to the end of the playbook. */
  readonly whole?: boolean;
  readonly rerun?: RerunReport;
  readonly hosts: readonly Omit<HostResult, 'phase'>[];
}

/** The host results that a job could not deliver, from the last line of a phase's output: `keelson-report:` and a report. */
export function parseReportLine(
  tail: Uint8Array,
  token: string,
  phase: string,
): HostReport | undefined {
  const text = Buffer.from(tail).toString('latin1').trimEnd();
  const line = text.slice(text.lastIndexOf('\n') + 1);
  const [, report] = /^keelson-report:(.+)$/.exec(line) ?? [];
  return report === undefined ? undefined : parseReport(report, token, phase);
}

/**
 * A report of job/report.py: `<base64 of gzip of JSON>:<hex HMAC-SHA256 of the base64 text, keyed with the job's token>`.
 * Undefined if the HMAC does not fit: then a task has written it.
 */
export function parseReport(signed: string, token: string, phase: string): HostReport | undefined {
  const [, payload, signature] = /^([A-Za-z0-9+/=]+):([0-9a-f]{64})$/.exec(signed) ?? [];
  if (payload === undefined || signature === undefined) return undefined;
  const expected = createHmac('sha256', token).update(payload).digest();
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) return undefined;
  const json = gunzipSync(Buffer.from(payload, 'base64'), { maxOutputLength: MAX_JSON_BYTES });
  // Signed by our own job with its token, so the shape is ours.
  const report = JSON.parse(json.toString('utf8')) as SignedReport;
  if (report.phase !== phase) return undefined;
  return {
    hosts: report.hosts,
    recordsState: report.records_state ?? false,
    ...(report.records_incomplete === true ? { recordsIncomplete: true } : {}),
    ...(report.whole === true ? { whole: true } : {}),
    ...(report.rerun === undefined ? {} : { rerun: toRerun(report.rerun) }),
  };
}

interface SignedReport {
  readonly phase: string;
  readonly records_state?: boolean;
  readonly records_incomplete?: boolean;
  readonly whole?: boolean;
  readonly rerun?: SignedRerun;
  readonly hosts: HostReport['hosts'];
}

interface SignedRerun {
  readonly count: number;
  readonly files_changed: boolean;
  readonly first_sequence: number;
}

function toRerun(rerun: SignedRerun): RerunReport {
  const { count, files_changed: filesChanged, first_sequence: firstSequence } = rerun;
  return { count, filesChanged, firstSequence };
}

/** The end of a phase's output, without the report line. */
export function withoutReportLine(tail: string): string {
  return tail.replace(/(^|\n)keelson-report:[^\n]*\n$/, '$1');
}
