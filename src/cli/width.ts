const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const PLAIN = /^[\x20-\x7e]*$/;
/** Characters that take two columns: emoji, and the wide ones of https://www.unicode.org/reports/tr11. */
const WIDE =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;
/** Marks and joiners with nothing before them that they could belong to. */
const NOTHING = /^[\p{M}\p{Default_Ignorable_Code_Point}]+$/u;

/** The number of columns that a terminal needs for text in one line. */
export function toWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += toColumns(segment);
  return width;
}

export function padToWidth(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - toWidth(text)));
}

/** The beginning of the text that fits into so many columns. */
export function cutToWidth(text: string, most: number): string {
  let width = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    width += toColumns(segment);
    if (width > most) return text.slice(0, index);
  }
  return text;
}

/** The beginning and the end of the text, which together fit into so many columns. */
export function cutMiddle(text: string, most: number): string {
  if (toWidth(text) <= most) return text;
  const start = cutToWidth(text, Math.floor(most / 2));
  const room = most - 1 - toWidth(start);
  const segments = [...graphemes.segment(text)];
  const end = segments.find(({ index }) => toWidth(text.slice(index)) <= room);
  return `${start}…${end === undefined ? '' : text.slice(end.index)}`;
}

function toColumns(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2;
  return NOTHING.test(grapheme) ? 0 : 1;
}
