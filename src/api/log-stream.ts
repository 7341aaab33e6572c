import type { PhaseRecord, Store } from '../store/store.js';
import { isAbout, openWatch, type Watch } from './watch.js';

export interface LogRequest {
  readonly jobId: string;
  /** Absent: every phase, one after the other. */
  readonly phase?: string;
  readonly offset: number;
  readonly follow: boolean;
}

/** A log as a body: read only as fast as it is taken, and no longer than somebody takes it. */
export function openLogStream(
  store: Store,
  request: LogRequest,
  client: AbortSignal,
): ReadableStream<Uint8Array> {
  const closing = new AbortController();
  const signal = AbortSignal.any([client, closing.signal]);
  const chunks = readLog(store, request, signal);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        closing.abort();
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Exactly the stored bytes; when following, on to the end of the phase or the session. */
async function* readLog(
  store: Store,
  { jobId, phase, offset, follow }: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const watch = openWatch(store, isAbout(jobId));
  const reader = { store, jobId, follow, watch, signal };
  try {
    if (phase === undefined) yield* readPhases(reader);
    else yield* readPhase(reader, phase, offset);
  } finally {
    watch.close();
  }
}

interface Reader {
  readonly store: Store;
  readonly jobId: string;
  readonly follow: boolean;
  readonly watch: Watch;
  readonly signal: AbortSignal;
}

async function* readPhases(reader: Reader): AsyncGenerator<Uint8Array, void, undefined> {
  const { store, jobId, follow, watch, signal } = reader;
  const done = new Set<string>();
  for (;;) {
    const isOver = await isComplete(store, jobId);
    const phases = await store.phases.list(jobId);
    const fresh = phases.filter((phase) => !done.has(phase.name));
    for (const { name } of fresh) {
      done.add(name);
      yield* readPhase(reader, name, 0);
    }
    if (isOver || !follow || signal.aborted) return;
    // What was read may have waited for changes that meant this loop, so it looks again.
    if (fresh.length === 0) await watch.next(signal);
  }
}

async function* readPhase(
  { store, jobId, follow, watch, signal }: Reader,
  name: string,
  offset: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = offset;
  for (;;) {
    // Looked at before the read: what is stored until then is in the read.
    const isOver =
      isSealed(await store.phases.find(jobId, name)) || (await isComplete(store, jobId));
    for await (const chunk of store.logs.read(jobId, name, position)) {
      if (signal.aborted) return;
      position += chunk.length;
      yield chunk;
    }
    if (isOver || !follow || signal.aborted) return;
    await watch.next(signal);
  }
}

function isSealed(phase: PhaseRecord | undefined): boolean {
  return phase === undefined || phase.sealedAt !== undefined;
}

async function isComplete(store: Store, jobId: string): Promise<boolean> {
  const session = await store.sessions.get(jobId);
  return session === undefined || session.state === 'complete';
}
