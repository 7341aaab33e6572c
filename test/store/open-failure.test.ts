import { expect, test } from '@jest/globals';
import { toFault } from '../../src/store/database/postgres-faults.js';
import { toPostgresFailure } from '../../src/store/open-failure.js';

const URL_OF_IT = 'postgresql://keelson:planted@db:5432/keelson';

const fail = (code: string | undefined, message: string) => {
  const error = Object.assign(new Error(message), code === undefined ? {} : { code });
  return toPostgresFailure(toFault(error) ?? error, URL_OF_IT);
};

test.each([
  ['28000', 'no pg_hba.conf entry for host "h", user "u", database "d", no encryption', 'sslmode'],
  ['28P01', 'password authentication failed for user "u"', 'DATABASE_PASSWORD_FILE'],
  ['57P01', 'terminating connection due to administrator command', 'again when the server'],
  ['08P01', 'query_wait_timeout', 'default_pool_size'],
  ['08P01', 'transaction blocks not allowed in statement pooling mode', 'pool_mode=session'],
  ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432', 'Start the server'],
  [undefined, 'timeout expired', 'Start the server'],
  [undefined, 'Connection terminated due to connection timeout', 'Start the server'],
])('says what to do about %s, %s', (code, message, advice) => {
  expect(fail(code, message)).toMatchObject({
    message: expect.stringMatching(
      new RegExp(`^DATABASE_URL: the database db:5432/keelson cannot be used: .*${advice}`),
    ),
  });
});

test('a statement timeout is not mistaken for a server that is away', () => {
  expect(fail('57014', 'canceling statement due to statement timeout')).toMatchObject({
    message: expect.not.stringContaining('DATABASE_URL'),
  });
});
