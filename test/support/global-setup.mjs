import { build } from '../../scripts/build.mjs';

/**
 * The tests run the product as it is delivered: dist/ and the workflow bundle are made first where sources are newer.
 * Errors are for `npm run types` to refuse; here they are only shown, so that one can test while typing.
 */
export default async function globalSetup() {
  await build({ onErrors: (errors) => console.warn(`\nsrc/ has errors:\n${errors}`) });
}
