/** A sample's labels, and its value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of one metric in Prometheus's text format; `_sum`, `_count` and `_bucket` are names of their own. */
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

/** Of the one sample with these labels, among others; undefined: there is none. */
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
