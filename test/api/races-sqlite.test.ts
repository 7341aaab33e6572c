import { describe } from '@jest/globals';
import { apiRaces } from '../contract/api-races.js';

describe('two APIs on one SQLite', () => {
  apiRaces(() => Promise.resolve({}));
});
