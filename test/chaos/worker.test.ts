import { testStrikes } from './suite.js';

testStrikes('sqlite', (fault) => /^(worker|launch)-/.test(fault));
