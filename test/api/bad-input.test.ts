import { badInputContract } from './contract/bad-input.js';
import { badRowsContract } from './contract/bad-rows.js';
import { runContracts } from './contract/run.js';

runContracts('bad input', [badRowsContract, badInputContract]);
