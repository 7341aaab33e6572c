import tseslint from 'typescript-eslint';

/**
 * Which folder may import which: one entry per folder, listing what it may NOT reach. A need for an
 * exception means that a boundary is in the wrong place.
 */
const folders = {
  core: {
    deny: ['workflows', 'activities', 'runner', 'clients', 'store', 'api', 'cli'],
    packages: 'none',
  },
  workflows: {
    deny: ['runner', 'clients', 'store', 'api', 'cli'],
    typesOnly: ['activities'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
  },
  runner: { deny: ['workflows', 'activities', 'clients', 'store', 'api', 'cli'] },
  store: { deny: ['workflows', 'activities', 'runner', 'clients', 'api', 'cli'] },
  clients: { deny: ['activities', 'runner', 'store', 'api', 'cli'] },
  activities: { deny: ['api', 'cli'], typesOnly: ['workflows', 'runner', 'store', 'clients'] },
  metrics: {
    deny: ['workflows', 'runner', 'clients', 'api', 'cli'],
    typesOnly: ['store', 'activities', 'process'],
  },
  'image-service': {
    deny: ['workflows', 'activities', 'store', 'clients', 'cli', 'api/routes', 'api/wire'],
  },
  api: { deny: ['workflows', 'activities', 'runner', 'cli'], typesOnly: ['store', 'clients'] },
  cli: {
    deny: ['workflows', 'activities', 'runner', 'store', 'clients', 'process'],
    typesOnly: ['api'],
  },
  migration: {
    deny: ['workflows', 'activities', 'runner', 'cli', 'api/routes'],
    typesOnly: ['store'],
  },
};

const restrictions = Object.entries(folders).map(([folder, rule]) => ({
  files: [`src/${folder}/**/*.ts`],
  // The process entry points alone build clients and read the environment.
  ignores: ['src/api/server.ts', 'src/image-service/main.ts', 'src/image-service/service.ts'],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: [...rule.deny.map((name) => `**/${name}/**`), '**/config.js', '**/config/**'],
            message: `src/${folder} may not import this (see ARCHITECTURE.md, Folders).`,
          },
          ...(rule.typesOnly ?? []).map((name) => ({
            group: [`**/${name}/**`],
            allowTypeImports: true,
            message: `src/${folder} may import only types from src/${name}.`,
          })),
          ...(rule.packages === 'none'
            ? [{ regex: '^[^.]', message: 'src/core imports nothing from outside.' }]
            : Array.isArray(rule.packages)
              ? [
                  {
                    regex: `^(?!\\.|${rule.packages.join('|')})`,
                    message: `src/${folder} may import only ${rule.packages.join(', ')}.`,
                  },
                ]
              : []),
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'data/', '**/*.mjs', '*.js', 'bench/', 'scripts/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Use a union of literals.' },
      ],
    },
  },
  ...restrictions,
);
