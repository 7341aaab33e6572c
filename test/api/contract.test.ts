import { configurationV2Contract } from './contract/configurations-v2.js';
import { optionContract } from './contract/options.js';
import { runContracts } from './contract/run.js';
import { sessionPatchContract } from './contract/session-patch.js';
import { sessionV2Contract } from './contract/sessions-v2.js';

runContracts('the contract', [
  optionContract,
  configurationV2Contract,
  sessionV2Contract,
  sessionPatchContract,
]);
