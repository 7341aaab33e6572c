import { describe } from '@jest/globals';
import { initdb } from './postgres-server.js';

export { startPostgres } from './postgres-server.js';
export type { PostgresServer } from './postgres-server.js';

/** Skips a suite that needs a server if there is none, unless REQUIRE_SERVERS=1. */
export const describeWithPostgres: typeof describe.skip =
  initdb !== undefined || process.env['REQUIRE_SERVERS'] === '1' ? describe : describe.skip;
