import { componentModelContract } from './contract/component-model.js';
import { componentContract } from './contract/components.js';
import { configurationContract } from './contract/configurations.js';
import { listContract } from './contract/lists.js';
import { runContracts } from './contract/run.js';
import { sessionContract } from './contract/sessions.js';
import { sourceContract } from './contract/sources.js';

runContracts('the contract of v3', [sessionContract, configurationContract, sourceContract]);
runContracts('lists of v3', [listContract]);
runContracts('components', [componentContract, componentModelContract]);
