export { SessionWorkflow } from './session.js';
