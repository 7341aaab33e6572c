import { clientContract } from './contract/clients.js';
import { runContracts } from './contract/run.js';

runContracts('clients', [clientContract]);
