import { toMessage } from '../core/message.js';
import { describeEnd } from '../core/notification.js';
import type { SessionEnd } from './interfaces.js';

/** The body that docs/webhooks.md promises: members may be added, but never removed or changed. `publicUrl`: of the API. */
export function toWebhookMessage(end: SessionEnd, publicUrl = '') {
  const { session, totals, failedHosts } = end;
  const { request, outcome } = session;
  return {
    event: 'session.complete',
    version: 1,
    text: toWebhookText(end, publicUrl),
    session: {
      name: session.name,
      job: session.jobId,
      configuration: { name: request.configurationName, limit: request.configurationLimit },
      ansible_limit: request.ansibleLimit ?? null,
      target: request.target.definition,
      tags: { ...request.tags },
      check_mode: request.checkMode ?? false,
      apply_of: request.applyOf ?? null,
      retry_of: request.retryOf ?? null,
      start_time: session.createdAt,
      launch_time: session.launchedAt ?? null,
      completion_time: session.completedAt ?? null,
      succeeded: outcome?.succeeded ?? 'unknown',
      reason: outcome?.reason ?? null,
      message: outcome?.message ?? null,
      phase: outcome?.phase ?? session.phase ?? null,
      host: outcome?.host ?? null,
      task: outcome?.task ?? null,
      cancelled_by: session.cancelBy ?? null,
      deleted: session.deletedAt !== undefined,
      artifacts: session.artifacts.map(({ imageId, resultId }) => ({
        image_id: imageId,
        result_id: resultId,
      })),
    },
    hosts: {
      total: totals.hosts,
      ok: totals.ok,
      changed: totals.changed,
      failed: totals.failed,
      unreachable: totals.unreachable,
      incomplete: totals.incomplete,
    },
    failed_hosts: failedHosts.map(({ host, phase, failed, task, message }) => ({
      host,
      phase,
      result: failed > 0 ? 'failed' : 'unreachable',
      task: task === undefined ? null : toMessage(task),
      message: message ?? null,
    })),
    links: toLinks(end, publicUrl),
  };
}

/** One sentence about the end, with a link to the log if `publicUrl` is known. */
export function toWebhookText(end: SessionEnd, publicUrl = ''): string {
  const links = publicUrl === '' ? null : toLinks(end, publicUrl);
  const text = describeEnd(end.session, end.totals);
  return links === null ? text : `${text} ${links.log}`;
}

/** Null if the session was deleted, because the links would lead nowhere. */
function toLinks({ session: { name, deletedAt } }: SessionEnd, publicUrl: string) {
  if (deletedAt !== undefined) return null;
  const session = `${publicUrl}/v3/sessions/${encodeURIComponent(name)}`;
  return {
    session,
    log: `${session}/logs`,
    hosts: `${session}/hosts`,
    phases: `${session}/phases`,
  };
}
