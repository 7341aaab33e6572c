import type { V1ContainerStateTerminated, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { PhaseRecord } from './phase-record.js';

/** What the wrapper reported about the phase's output: its size, and digests of its head and tail (see job/directory.py). */
export interface ToldLog {
  readonly bytes: number;
  readonly head?: string;
  readonly tail?: string;
}

/** Undefined if the wrapper could not report it, or has not yet. */
export function toToldLog(pod: V1Pod, phase: string): ToldLog | undefined {
  const record = findRecord(pod, phase);
  if (record?.log_bytes == null) return undefined;
  const { log_bytes: bytes, log_head: head, log_tail: tail } = record;
  return { bytes, ...(head ? { head } : {}), ...(tail ? { tail } : {}) };
}

/** The host results that the API did not take: `<base64>:<hmac>` (see job/report.py). Undefined if there are none, or too many. */
export function toToldResults(pod: V1Pod, phase: string): string | undefined {
  const results = findRecord(pod, phase)?.results;
  return typeof results === 'string' ? results : undefined;
}

export function findStatus({ status }: V1Pod, name: string): V1ContainerStatus | undefined {
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return statuses.find((each) => each.name === name);
}

/** What the wrapper wrote (see job/termination.py). Text from any other writer does not match the exit code. */
export function parseRecord({
  message,
  exitCode,
}: V1ContainerStateTerminated): PhaseRecord | undefined {
  if (message === undefined || !message.startsWith('{')) return undefined;
  const record = parseObject(message) ?? parseObject(withoutCutMember(message));
  if (record?.state !== 'ended') return undefined;
  return record.killed != null || record.exit_code === exitCode ? record : undefined;
}

/** The kubelet cuts the message if those of all containers of a pod exceed 12 KiB. */
function withoutCutMember(message: string): string {
  return `${message.slice(0, message.lastIndexOf(','))}}`;
}

function parseObject(text: string): PhaseRecord | undefined {
  try {
    return JSON.parse(text) as PhaseRecord;
  } catch {
    return undefined;
  }
}

function findRecord(pod: V1Pod, phase: string): PhaseRecord | undefined {
  const terminated = findStatus(pod, phase)?.state?.terminated;
  return terminated && parseRecord(terminated);
}
