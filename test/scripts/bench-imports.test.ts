import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');
/** Static or at run time: `import { a, b } from '…/dist/c.js'`, `const { a } = await import('…/dist/c.js')`. */
const IMPORT = /\{([^{}]+)\}\s*(?:from|= await import\()\s*'(\.[^']*\/dist\/[^']+)\.js'/g;

/** File, module of `src` and names, of all that benches and scripts take from `dist`. */
const imports = ['bench', 'scripts'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mjs'))
    .flatMap((name) => {
      const file = join(root, folder, name);
      return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, names = '', path = '']) => {
        const built = relative(root, join(dirname(file), path));
        const module = built.replace(/^dist/, 'src');
        return [relative(root, file), module, names.split(',').map((each) => each.trim())] as const;
      });
    }),
);

// No compiler looks at these, and nobody runs a whole bench at each commit.
describe('what benches and scripts import from the build', () => {
  test.each(imports)('%s: %s has what is asked for', async (_, module, names) => {
    const exported = (await import(join(root, `${module}.ts`))) as Record<string, unknown>;
    expect(Object.keys(exported)).toEqual(expect.arrayContaining(names));
  });
});
