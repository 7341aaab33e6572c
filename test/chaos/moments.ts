import { PHASES, type HeldPhase } from '../support/kill-site.js';
import { STEPS, type Step } from '../support/kill-steps.js';

/**
 * Where a session stands when a fault strikes: it is being posted; a step waits for its write; the write is done and Temporal
 * does not know; the launch is on the record and no supervisor has made itself known; in a phase; over.
 */
export type Moment = 'POST' | Step | DoneStep | 'start' | HeldPhase | 'complete';
export type DoneStep = `${Step} done`;

export const DONE_STEPS: readonly DoneStep[] = STEPS.map((step) => `${step} done` as const);

/** In the order of a session's life. */
export const MOMENTS: readonly Moment[] = [
  'POST',
  ...aroundSteps('claimSession', 'resolveConfiguration', 'stageInventory', 'launchJob'),
  'start',
  ...PHASES,
  ...aroundSteps('stopJob', 'removeStagedFiles', 'recordOutcome'),
  'complete',
];

function aroundSteps(...steps: readonly Step[]): readonly Moment[] {
  return steps.flatMap((step) => [step, `${step} done`] as const);
}

export function isStep(moment: Moment): moment is Step {
  return STEPS.some((step) => step === moment);
}

export function isPhase(moment: Moment): moment is HeldPhase {
  return PHASES.some((phase) => phase === moment);
}

/** The step whose write is done; undefined of any other moment. */
export function toDoneStep(moment: Moment): Step | undefined {
  return STEPS.find((step) => `${step} done` === moment);
}
