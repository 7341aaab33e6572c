import type { Session } from '../../src/core/session.js';
import type { SessionFilter } from '../../src/store/store.js';

/** Whether a session matches a filter: a simple implementation to compare the store's with. */
export function fits(session: Session, filter: SessionFilter): boolean {
  const { state, succeeded, nameContains = '', createdFrom, createdUntil, tags = {} } = filter;
  return (
    (state === undefined || session.state === state) &&
    (succeeded === undefined || (session.outcome?.succeeded ?? 'none') === succeeded) &&
    session.name.includes(nameContains) &&
    (createdFrom === undefined || session.createdAt >= createdFrom) &&
    (createdUntil === undefined || session.createdAt <= createdUntil) &&
    Object.entries(tags).every(([key, value]) => session.request.tags[key] === value)
  );
}

/** All combinations of the values of the members. Undefined leaves a member out. */
export function combine(values: {
  readonly [Member in keyof SessionFilter]: readonly SessionFilter[Member][];
}): readonly SessionFilter[] {
  return Object.entries(values).reduce<readonly SessionFilter[]>(
    (filters, [member, some]) =>
      filters.flatMap((filter) =>
        some.map((value) => (value === undefined ? filter : { ...filter, [member]: value })),
      ),
    [{}],
  );
}
