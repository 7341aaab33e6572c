import { runContracts } from './contract/run.js';
import { transportContract } from './contract/transport.js';

runContracts('transport', [transportContract]);
