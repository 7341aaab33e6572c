import { describe } from '@jest/globals';
import { describeWithPostgres } from '../support/postgres.js';
import { findLack } from './stand.js';
import { testStrikes } from './suite.js';

describeWithPostgres('PostgreSQL', () => testStrikes('postgres', () => true));

(findLack('small') === undefined ? describe : describe.skip)('a full disk', () =>
  testStrikes('small', () => true),
);
