import { registerHooks } from 'node:module';

/** Node takes the types out of a module by itself; that `./a.js` is `./a.ts` in our sources it has to be told. */
registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context);
    } catch (error) {
      if (!specifier.startsWith('.') || !specifier.endsWith('.js')) throw error;
      return next(`${specifier.slice(0, -3)}.ts`, context);
    }
  },
});
