import type { Session, SessionRequest } from '../../src/core/session.js';
import type { PageRequest } from '../../src/store/database/page.js';
import type { NewSession, SessionFilter, Store } from '../../src/store/store.js';
import { aRequest } from './session-builders.js';

/** This many seconds after the beginning of 2026. */
export function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString();
}

export function aNewSession(
  name: string,
  { createdAt = at(0), ...request }: Partial<SessionRequest> & { readonly createdAt?: string } = {},
): NewSession {
  return { jobId: `cfs-${name}-0123abcd`, request: aRequest({ ...request, name }), createdAt };
}

/** A session with one phase, `ansible-0`, before it has run. */
export async function addPlannedSession(store: Store, name = 'a'): Promise<string> {
  const { jobId } = await store.sessions.insert(aNewSession(name));
  await store.phases.savePlan(jobId, [
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

/** A page of sessions with their requests, however large. */
export async function listWhole(
  { sessions }: Pick<Store, 'sessions'>,
  filter: SessionFilter,
  page: PageRequest,
): Promise<readonly Session[]> {
  const whole: Session[] = [];
  const { items } = await sessions.list(filter, page);
  for await (const some of sessions.readRequests(items)) whole.push(...some);
  return whole;
}

/** Counts the calls by their value or fault. */
export async function count(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const settled of await Promise.allSettled(calls)) {
    const word =
      settled.status === 'fulfilled'
        ? String(settled.value)
        : ((settled.reason as { fault?: string }).fault ?? String(settled.reason));
    counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}

export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}
