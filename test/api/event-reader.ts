export interface ReadEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

/** Reads a stream of events as a browser does. */
export async function* readEvents(response: Response): AsyncGenerator<ReadEvent, void, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let text = '';
  const body: AsyncIterable<Uint8Array> | null = response.body;
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map(toField));
      const data = fields.get('data');
      if (data === undefined) continue;
      yield {
        event: fields.get('event') ?? 'message',
        id: fields.get('id') ?? '',
        data: JSON.parse(data) as Record<string, unknown>,
      };
    }
  }
}

export async function readAllEvents(response: Response): Promise<readonly ReadEvent[]> {
  const events: ReadEvent[] = [];
  for await (const event of readEvents(response)) events.push(event);
  return events;
}

/** The bytes that `log` events carry. */
export function toBytes(events: readonly ReadEvent[]): Buffer {
  const parts = events
    .filter(({ event }) => event === 'log')
    .map(({ data: { text, base64 } }) =>
      typeof text === 'string' ? Buffer.from(text) : Buffer.from(String(base64), 'base64'),
    );
  return Buffer.concat(parts);
}

function toField(line: string): [string, string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, colon), line.slice(colon + 2)];
}
