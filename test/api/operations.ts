type Schema = Readonly<Record<string, unknown>>;

/** The parts of the OpenAPI document that tests use. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly queries: readonly string[];
  /** Example of the body; absent if the operation takes none. */
  readonly example?: unknown;
}

export function listOperations({ paths, components }: ApiDocument): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const body = operation['requestBody'] as
        { readonly content: Readonly<Record<string, { readonly schema: Schema }>> } | undefined;
      const reference = body?.content['application/json']?.schema['$ref'];
      const schema = components.schemas[String(reference).split('/').at(-1) ?? ''];
      return {
        method: method.toUpperCase(),
        path,
        queries: ((operation['parameters'] ?? []) as readonly Schema[])
          .filter((parameter) => parameter['in'] === 'query')
          .map((parameter) => String(parameter['name'])),
        ...(schema === undefined ? {} : { example: schema['example'] }),
      };
    }),
  );
}

/** Replaces the parameters of a path by these values. */
export function fillPath(path: string, values: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
