import type { ParseArgsOptionsConfig } from 'node:util';
import type { Api } from './api.js';

/** The values of `parseArgs`. */
export type Values = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

export interface CommandInput {
  readonly api: Api;
  readonly values: Values;
  /** As many as the command's `names` allow. */
  readonly names: readonly string[];
  readonly isJson: boolean;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

export type OptionHelp = readonly (readonly [option: string, meaning: string])[];

export interface Command {
  readonly summary: string;
  /** Positional arguments: `['NAME']`. Optional ones are in brackets: `['[NAME]']`. */
  readonly names: readonly string[];
  readonly options: ParseArgsOptionsConfig;
  readonly optionHelp?: OptionHelp;
  /** More help, after the options. */
  readonly notes?: string;
  /** Resolves with the exit code. */
  run(input: CommandInput): Promise<number>;
}

export function readText(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function readTexts(values: Values, name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** Wrong use of the program. The message names the option or the argument. */
export class UsageError extends Error {}

export function toSessionPath(name: string, ...rest: readonly string[]): string {
  return ['/v3/sessions', encodeURIComponent(name), ...rest].join('/');
}
