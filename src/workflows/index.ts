export { SessionWorkflow } from './session.js';
export { SweepWorkflow } from './sweep.js';
