import type { ParseArgsOptionsConfig } from 'node:util';
import type { Api } from './api.js';

/** Values as `parseArgs` gives them. */
export type Values = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

export interface CommandInput {
  readonly api: Api;
  readonly values: Values;
  /** As many as the command names. */
  readonly names: readonly string[];
  readonly isJson: boolean;
  /** Of Ctrl-C. */
  readonly signal: AbortSignal;
}

export type OptionHelp = readonly (readonly [option: string, meaning: string])[];

export interface Command {
  readonly summary: string;
  /** What follows the name of the command: `['NAME']`. */
  readonly names: readonly string[];
  readonly options: ParseArgsOptionsConfig;
  /** Each option with what it is for. */
  readonly optionHelp?: OptionHelp;
  /** Whatever else is to be known. */
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

/** A wrong use of the program: the message names the option or the word. */
export class UsageError extends Error {}

export function toSessionPath(name: string, ...rest: readonly string[]): string {
  return ['/v3/sessions', encodeURIComponent(name), ...rest].join('/');
}
