// Far from UTC, and off the full hour: whoever takes a local time for UTC fails.
process.env.TZ = 'Pacific/Chatham';

export default {
  testEnvironment: 'node',
  testTimeout: 240_000,
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  maxWorkers: 2,
};
