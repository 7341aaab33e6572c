export { BatcherWorkflow, HardwareSyncWorkflow } from './cycles.js';
export { NotificationWorkflow } from './notification.js';
export { RetentionWorkflow } from './retention.js';
export { SessionWorkflow } from './session.js';
export { SweepWorkflow } from './sweep.js';
