import { z } from '@hono/zod-openapi';

/** Limit of names whose length v2 does not limit: what the indexes of both databases can hold. */
export const MAX_NAME_V2 = 255;

const UNFIT = 'Must not contain NUL or incomplete characters';

/** Text that both databases, and arguments of programs, can hold. */
export function text() {
  return z.string().refine(isFit, UNFIT);
}

/** Any JSON whose texts are like that. */
export function anything() {
  return z.unknown().refine(isFitThroughout, UNFIT);
}

/** Text with a limited number of characters; one outside the basic plane counts as one. */
export function boundedText(minLength: number, maxLength: number) {
  return text()
    .refine(
      (value) => isBetween(Array.from(value).length, minLength, maxLength),
      `The length must be ${minLength} to ${maxLength}`,
    )
    .openapi({ minLength, maxLength });
}

/** CFS's pattern for values that it passes to a shell. */
export function word() {
  return text().regex(/^[^\s;]*$/, 'White space and semicolons are not allowed');
}

/** One number and one unit: minutes, hours, days or weeks. May be empty. */
export function age() {
  return z
    .string()
    .max(10)
    .regex(/^(?:[0-9]+[mMhHdDwW]){0,1}$/, 'Must be a number and one of m, h, d, w');
}

/** A member of answers, which is refused in requests. */
export function readOnly() {
  return z
    .never({ error: 'The property is read-only' })
    .optional()
    .openapi({ type: 'string', readOnly: true });
}

export function tags() {
  return z.record(text(), text()).openapi({ example: { bos_session: 'b-1' } });
}

/** CFS writes times without fractions: `2026-01-02T03:04:05Z`. */
export function toSeconds(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

/** CFS writes times of sessions without a zone, too; they are UTC. */
export function toZoneless(iso: string): string {
  return iso.slice(0, 19);
}

function isFit(value: string): boolean {
  return !/\0|\p{Surrogate}/u.test(value);
}

function isFitThroughout(value: unknown): boolean {
  if (typeof value === 'string') return isFit(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, inner]) => isFit(name) && isFitThroughout(inner));
}

function isBetween(value: number, minimum: number, maximum: number): boolean {
  return value >= minimum && value <= maximum;
}
