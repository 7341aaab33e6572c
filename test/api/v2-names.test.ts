import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { invalid, ServiceError } from '../../src/core/errors.js';
import {
  CONFIGURATION,
  inV2,
  OPTIONS,
  SESSION,
  SESSION_CREATE,
  SESSION_PATCH,
  toV2,
  toV3,
  type Names,
} from '../../src/api/wire/v2-names.js';

const tables = { CONFIGURATION, OPTIONS, SESSION, SESSION_CREATE, SESSION_PATCH };

/** Generates objects with the names of v3: any members, nested, also lists of objects. */
function anObject(names: Names): fc.Arbitrary<unknown> {
  const shape = Object.fromEntries(
    Object.entries(names).map(([name, entry]) => [
      name,
      typeof entry === 'string' ? fc.jsonValue({ maxDepth: 2 }) : aMember(entry[1]),
    ]),
  );
  return fc.record(shape, { requiredKeys: [] });
}

function aMember(names: Names): fc.Arbitrary<unknown> {
  const object = anObject(names);
  return fc.oneof(object, fc.array(object, { maxLength: 3 }), fc.constant(null));
}

/** All values in order, except objects that have a map of their own, whose members are listed instead. */
function flatten(names: Names, value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((element) => flatten(names, element));
  if (typeof value !== 'object' || value === null) return [JSON.stringify(value)];
  return Object.entries(value).flatMap(([name, inner]) => {
    const entry = names[name];
    return entry === undefined || typeof entry === 'string'
      ? [JSON.stringify(inner)]
      : flatten(entry[1], inner);
  });
}

describe.each(Object.entries(tables))('%s', (_, names) => {
  test('is unchanged after a round trip through v2', () => {
    fc.assert(
      fc.property(anObject(names), (given) => {
        expect(toV3(names, toV2(names, given))).toEqual(given);
      }),
    );
  });

  test('keeps every value on the way', () => {
    fc.assert(
      fc.property(anObject(names), (given) => {
        const isSame = (text: string) => text.replace(/[_ ]/g, '').toLowerCase();
        const there = JSON.stringify(toV2(names, given));
        for (const value of flatten(names, given)) expect(isSame(there)).toContain(isSame(value));
      }),
    );
  });

  test('drops what is not in v2, in both directions', () => {
    fc.assert(
      fc.property(anObject(names), fc.jsonValue(), (given, value) => {
        const more = { ...(given as object), not_in_v2: value, __proto: value };
        expect(toV2(names, more)).toEqual(toV2(names, given));
        expect(toV3(names, { ...(toV2(names, given) as object), notInV3: value })).toEqual(given);
      }),
    );
  });

  test('has each name of v2 once', () => {
    const check = (table: Names) => {
      const entries = Object.values(table);
      const v2 = entries.map((entry) => (typeof entry === 'string' ? entry : entry[0]));
      expect(new Set(v2).size).toBe(v2.length);
      for (const entry of entries) if (typeof entry !== 'string') check(entry[1]);
    };
    check(names);
  });
});

describe('inV2', () => {
  test.each([
    ["No - 'layers.1.clone_url'", "No - 'layers.1.cloneUrl'"],
    [
      "No - 'layers.0.special_parameters.ims_require_dkms'",
      "No - 'layers.0.specialParameters.imsRequireDkms'",
    ],
    ["No - 'additional_inventory.clone_url'", "No - 'additional_inventory.cloneUrl'"],
    ["No - 'other.clone_url'", "No - 'other.clone_url'"],
    ["About 'layers.1.clone_url' and more", "About 'layers.1.clone_url' and more"],
  ])('%s becomes %s', async (message, expected) => {
    const refused = inV2(CONFIGURATION, () => Promise.reject(invalid(message, 'A title')));
    await expect(refused).rejects.toMatchObject({
      fault: 'invalid',
      message: expected,
      title: 'A title',
    });
  });

  test('keeps the fault, and passes on other errors', async () => {
    const busy = new ServiceError('busy', 'Later');
    await expect(inV2(SESSION, () => Promise.reject(busy))).rejects.toMatchObject({
      fault: 'busy',
      message: 'Later',
    });
    const defect = new Error('a defect');
    await expect(inV2(SESSION, () => Promise.reject(defect))).rejects.toBe(defect);
    expect(await inV2(SESSION, () => Promise.resolve(7))).toBe(7);
  });
});
