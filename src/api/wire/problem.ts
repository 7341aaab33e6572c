import { z } from '@hono/zod-openapi';

const Problem = z
  .object({
    type: z.string().openapi({ example: 'about:blank' }),
    title: z.string().openapi({ example: 'Bad Request' }),
    status: z.int().openapi({ example: 400 }),
    detail: z
      .string()
      .openapi({ example: "White space and semicolons are not allowed - 'layers.0.playbook'" }),
  })
  .openapi('Problem');

const descriptions = {
  400: 'The request is not valid; `detail` names the member.',
  401: 'The token is missing or not known.',
  403: 'The caller may not do this.',
  404: 'What the path names does not exist.',
  409: 'The present state does not allow this.',
  413: 'The body is larger than the limit.',
  415: 'The body is not declared as JSON.',
  429: 'Too many requests at once; `Retry-After` says when to try again.',
  503: 'A service that this needs does not answer, or has no room; `Retry-After` says when to try again.',
} as const;

type Status = keyof typeof descriptions;

function problem<S extends Status>(status: S) {
  return {
    description: descriptions[status],
    content: { 'application/problem+json': { schema: Problem } },
  };
}

/** Problems of every operation. */
export const problems = { 401: problem(401), 503: problem(503) };
export const readProblems = { ...problems, 400: problem(400), 404: problem(404) };
export const writeProblems = { ...problems, 400: problem(400), 403: problem(403) };
export const bodyProblems = { ...writeProblems, 413: problem(413), 415: problem(415) };
export const missingProblem = { 404: problem(404) };
export const conflictProblem = { 409: problem(409) };
export const busyProblem = { 429: problem(429) };

/** A JSON answer. */
export function answer<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

export function takes<T extends z.ZodType>(schema: T) {
  return { required: true, content: { 'application/json': { schema } } };
}

/** Like `takes`, for a body that may be left out. */
export function mayTake<T extends z.ZodType>(schema: T) {
  return { ...takes(schema), required: false };
}
