type OmitUndefined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Leaves out the members that are undefined: with `exactOptionalPropertyTypes`, an optional member must be absent instead. */
export function omitUndefined<T extends object>(members: T): OmitUndefined<T> {
  const present: Partial<T> = {};
  for (const name in members) if (members[name] !== undefined) present[name] = members[name];
  return present as unknown as OmitUndefined<T>;
}
