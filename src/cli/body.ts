/** The service sends something every 15 s, even on a stream without events. After this time of silence it hangs or is gone. */
export const SILENT_MS = 60_000;

/** Yields a body as it comes. Throws if nothing comes for too long. */
export async function* readBody(
  body: Response['body'],
  silentMs = SILENT_MS,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, silentMs);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

export async function readText(body: Response['body']): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readBody(body)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function readInTime(reader: ReadableStreamDefaultReader<Uint8Array>, silentMs: number) {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`silent for ${silentMs / 1_000} s`)), silentMs);
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}
