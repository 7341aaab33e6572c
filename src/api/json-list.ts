import { invalid, ServiceError } from '../core/errors.js';

const [QUOTE, BACKSLASH, COMMA, CLOSE] = [0x22, 0x5c, 0x2c, 0x5d];
/** Codes of `[{` and `]}`. The depth tells inner lists from the outer one. */
const [OPENS, CLOSES] = [new Set([0x5b, 0x7b]), new Set([CLOSE, 0x7d])];
const BLANK = /^[\t\n\r ]*$/;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

interface Place {
  depth: number;
  inText: boolean;
  isEscaped: boolean;
  isOver: boolean;
}

/**
 * Splits a JSON list into the texts of its elements. `pieces` begin after the first bracket. The caller must parse each text;
 * this function checks only what is between elements and after the list.
 */
export async function* splitJsonList(
  pieces: AsyncIterable<Uint8Array>,
  maxElementBytes: number,
): AsyncGenerator<readonly string[]> {
  const place: Place = { depth: 0, inText: false, isEscaped: false, isOver: false };
  let begun: Uint8Array[] = [];
  let bytes = 0;
  let count = 0;
  for await (const piece of pieces) {
    const found: string[] = [];
    let start = 0;
    for (const end of findEnds(place, piece)) {
      const text = decode([...begun, piece.subarray(start, end)]);
      // Before the closing bracket of an empty list there is no element.
      if (!place.isOver || count > 0 || !BLANK.test(text)) found.push(text);
      count += 1;
      begun = [];
      bytes = 0;
      start = end + 1;
    }
    const rest = piece.subarray(start);
    if (place.isOver && !BLANK.test(decode([rest]))) throw notJson();
    begun.push(rest);
    bytes += rest.length;
    if (!place.isOver && bytes > maxElementBytes) throw tooLarge(maxElementBytes);
    yield found;
  }
  if (!place.isOver) throw notJson();
}

/** The offsets in this piece at which elements end: commas between them, and the closing bracket. */
function* findEnds(place: Place, piece: Uint8Array): Generator<number> {
  if (place.isOver) return;
  for (let index = 0; index < piece.length; index += 1) {
    const byte = piece[index] ?? 0;
    if (place.inText) passText(place, byte);
    else if (byte === QUOTE) place.inText = true;
    else if (OPENS.has(byte)) place.depth += 1;
    else if (CLOSES.has(byte) && place.depth > 0) place.depth -= 1;
    else if (byte === COMMA && place.depth === 0) yield index;
    else if (byte === CLOSE) {
      place.isOver = true;
      yield index;
      return;
    }
  }
}

function passText(place: Place, byte: number): void {
  if (place.isEscaped) place.isEscaped = false;
  else if (byte === BACKSLASH) place.isEscaped = true;
  else if (byte === QUOTE) place.inText = false;
}

function decode(pieces: readonly Uint8Array[]): string {
  try {
    return decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  } catch {
    throw invalid('The body is not valid JSON: it is not UTF-8.');
  }
}

function notJson(): ServiceError {
  return invalid('The body is not valid JSON.');
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError(
    'too_large',
    `An element of the list is larger than the limit of ${maxBytes} bytes.`,
  );
}
