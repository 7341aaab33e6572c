export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of one metric in Prometheus's text format. Names with `_sum`, `_count` and `_bucket` are separate metrics. */
export function readSamples(text: string, name: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(?<name>\w+)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)?.groups;
    if (match?.['name'] !== name) return [];
    const labels = [...(match['labels'] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, key = '', value = '']) => [key, value] as const,
    );
    return [{ labels: Object.fromEntries(labels), value: Number(match['value']) }];
  });
}

/** The value of the sample that has these labels, and possibly others. Undefined if there is none. */
export function readValue(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  return readSamples(text, name).find((sample) =>
    wanted.every(([key, value]) => sample.labels[key] === value),
  )?.value;
}
