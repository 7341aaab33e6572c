/**
 * Prints on standard error when a step begins and how long it took.
 * @template Found @param {string} name @param {() => Promise<Found>} act @returns {Promise<Found>}
 */
export async function timeStep(name, act) {
  const begin = performance.now();
  console.error(`${name} ...`);
  const found = await act();
  console.error(`${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  return found;
}
