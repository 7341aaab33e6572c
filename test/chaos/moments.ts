import { PHASES, type HeldPhase } from '../support/kill-site.js';
import { STEPS, type Step } from '../support/kill-steps.js';

/**
 * Where a session stands when a fault strikes. `POST`: it is being posted. A step: the step waits to write. `… done`: the
 * step has written, but Temporal does not know yet. `start`: the launch is recorded, but the supervisor has not reported. A
 * phase: the phase runs. `hold`: a playbook has failed and is held; it is corrected and runs again. `complete`: the session is
 * over.
 */
export type Moment = 'POST' | Step | DoneStep | 'start' | HeldPhase | 'hold' | 'complete';
export type DoneStep = `${Step} done`;

export const DONE_STEPS: readonly DoneStep[] = STEPS.map((step) => `${step} done` as const);

/** In the order of a session's life. */
export const MOMENTS: readonly Moment[] = [
  'POST',
  ...aroundSteps('claimSession', 'resolveConfiguration', 'stageInventory', 'launchJob'),
  'start',
  ...PHASES,
  'hold',
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

/** The step that has written; undefined for every other kind of moment. */
export function toDoneStep(moment: Moment): Step | undefined {
  return STEPS.find((step) => `${step} done` === moment);
}
