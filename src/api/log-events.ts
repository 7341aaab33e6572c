import { isUtf8 } from 'node:buffer';
import { invalid } from '../core/errors.js';
import type { ServerSentEvent } from './event-stream.js';
import type { LogPiece, LogPlace } from './log-stream.js';

const EVENT_BYTES = 64 * 1024;

/**
 * Turns pieces of a log into events, as text if they are UTF-8, else as base64, so that every byte arrives. A character that
 * is cut is kept until the rest of it comes. The id of an event says where to continue.
 */
export async function* toLogEvents(
  pieces: AsyncIterable<LogPiece>,
  tag: string,
  signal: AbortSignal,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let kept: LogPiece | undefined;
  for await (const piece of pieces) {
    if (kept !== undefined && kept.phase !== piece.phase) yield toEvent(kept, tag);
    let rest: LogPiece = kept?.phase === piece.phase ? join(kept, piece) : piece;
    for (;;) {
      const head = rest.bytes.subarray(0, EVENT_BYTES);
      const size = head.length - countCut(head);
      if (size === 0) break;
      yield toEvent({ ...rest, bytes: head.subarray(0, size) }, tag);
      rest = { ...rest, offset: rest.offset + size, bytes: rest.bytes.subarray(size) };
    }
    kept = rest.bytes.length > 0 ? rest : undefined;
  }
  // If the stream breaks off, the kept bytes are read again when the client connects again.
  if (kept !== undefined && !signal.aborted) yield toEvent(kept, tag);
}

/** Reads an id `<tag>/<phase>/<offset>` or `<tag>/end`. Undefined if it belongs to an earlier session of the same name. */
export function parseLogId(id: string, tag: string): LogPlace | 'end' | undefined {
  const [, ofTag, phase, offset] = /^([0-9a-f]{8})\/(?:end|([^/]+)\/(\d{1,15}))$/.exec(id) ?? [];
  if (ofTag === undefined) throw invalid(`"${id}" is not an id of this stream - 'Last-Event-ID'`);
  if (ofTag !== tag) return undefined;
  return phase === undefined ? 'end' : { phase, offset: Number(offset) };
}

function join(first: LogPiece, second: LogPiece): LogPiece {
  return { ...first, bytes: Buffer.concat([first.bytes, second.bytes]) };
}

function toEvent({ phase, offset, bytes }: LogPiece, tag: string): ServerSentEvent {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = isUtf8(content)
    ? { phase, offset, text: content.toString('utf8') }
    : { phase, offset, base64: content.toString('base64') };
  return { event: 'log', id: `${tag}/${phase}/${offset + bytes.length}`, data };
}

/** The number of bytes at the end that begin an incomplete character. */
function countCut(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
