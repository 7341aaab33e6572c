export interface Tools {
  readonly temporalAddress: string | undefined;
  readonly temporal: string | undefined;
  readonly ansiblePlaybook: string | undefined;
  readonly python: string | undefined;
  readonly helm: string | undefined;
  readonly initdb: string | undefined;
  readonly ruff: string | undefined;
  readonly mypy: string | undefined;
}

export function findTools(env: Readonly<Record<string, string | undefined>>): Tools;
