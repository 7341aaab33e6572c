import type { Job } from '../core/job.js';

const MAX_LABEL = 60;

export const JOB_LABEL = 'keelson/job';
export const DEPLOYMENT_LABEL = 'keelson/deployment';
/** Time of the stop: a pod that ends afterwards was stopped, and a Job without a pod never gets one. */
export const STOPPED_ANNOTATION = 'keelson/stopped';
/** Prefix of the names of a Job's Secrets. Random, so that they never collide with those of another Job of the same name. */
export const SECRETS_ANNOTATION = 'keelson/secrets';
/** Digest of the content of all Secrets of a Job: missing ones may be added only with the same content. */
export const CONTENT_ANNOTATION = 'keelson/content';
/** Set on a Job that has all its Secrets. */
export const PREPARED_ANNOTATION = 'keelson/prepared';
/** Names of the phases, in order. A policy of the cluster may add containers to the Job, and those are no phases. */
export const PHASES_ANNOTATION = 'keelson/phases';
export const PENDING_ANNOTATION = 'keelson/pod-pending-seconds';

/**
 * Labels of everything that we create. They differ from those of CFS, because a CFS operator that still runs deletes objects
 * with its own labels.
 */
export function toOwnLabels(jobId: string, deploymentId: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'keelson-job',
    [DEPLOYMENT_LABEL]: deploymentId,
    [JOB_LABEL]: jobId,
  };
}

/** Labels by which people find a session's pod and Job, named as CFS names them. */
export function toSessionLabels({ sessionName, configurationName }: Job): Record<string, string> {
  return {
    cfsession: toLabelValue(sessionName),
    aee: toLabelValue(sessionName),
    configuration: toLabelValue(configurationName),
    cfsversion: 'v3',
  };
}

/** The full names, because a label may have to be cut. */
export function toPodAnnotations({ sessionName, configurationName }: Job): Record<string, string> {
  return { 'keelson/session': sessionName, 'keelson/configuration': configurationName };
}

export function toLabelValue(text: string): string {
  return text
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, MAX_LABEL)
    .replace(/[^A-Za-z0-9]+$/, '');
}
