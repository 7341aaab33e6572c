import { runnerContract } from '../contract/runner-contract.js';
import { createLocalHarness } from './local-harness.js';

runnerContract('local', (surroundings) => createLocalHarness(surroundings));
