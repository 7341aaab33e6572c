import type { Job } from '../core/job.js';

const MAX_LABEL = 60;

export const JOB_LABEL = 'keelson/job';
export const DEPLOYMENT_LABEL = 'keelson/deployment';
/** When it was told to stop: a pod that ends then was stopped, and a Job without one never gets one. */
export const STOPPED_ANNOTATION = 'keelson/stopped';
/** What the names of a Job's Secrets begin with; drawn once, so that they never meet those of a Job of the same name. */
export const SECRETS_ANNOTATION = 'keelson/secrets';
/** A digest of all that a Job's Secrets hold: nobody may complete them with anything else. */
export const CONTENT_ANNOTATION = 'keelson/content';
/** On a Job that has all its Secrets. */
export const PREPARED_ANNOTATION = 'keelson/prepared';
export const PENDING_ANNOTATION = 'keelson/pod-pending-seconds';

/**
 * Labels of everything that we create. An operator of CFS that still runs deletes objects that carry its own labels; these are
 * others.
 */
export function toOwnLabels(jobId: string, deploymentId: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'keelson-job',
    [DEPLOYMENT_LABEL]: deploymentId,
    [JOB_LABEL]: jobId,
  };
}

/** Labels by which people find a session's pod, named as CFS names them. */
export function toPodLabels({ sessionName, configurationName }: Job): Record<string, string> {
  return {
    cfsession: toLabelValue(sessionName),
    aee: toLabelValue(sessionName),
    configuration: toLabelValue(configurationName),
    cfsversion: 'v3',
  };
}

/** The same, whole: a label may hold less. */
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
