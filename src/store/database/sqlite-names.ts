import type { DatabaseSync } from 'node:sqlite';

/** If more names match, a walk in order of names soon fills a page. */
const FEW = 1_000;
/** About 90 MB at the most. */
const MOST_NAMES = 2_000_000;
/** Bytes of new names after which all are read again, which leaves out those that were deleted. */
const LEAST_SPARE = 65_536;
const SPARE_SHARE = 0.25;
const KEPT_MS = 10 * 60_000;
const LINE_FEED = 0x0a;

/** Names of sessions, one on each line. There may be names of deleted sessions among them, and some twice. */
interface Names {
  readonly lines: Buffer;
  /** Of sessions that were inserted later. */
  readonly newer: Buffer;
  /** Of the last row that was read. */
  readonly lastRow: number;
  readonly lastJobId: unknown;
  readonly areTooMany: boolean;
}

/**
 * Finds the names that contain a part, or undefined if there are many. SQLite has no index for parts of names, and searches
 * them ten times as slowly as memory is searched. So they are kept in memory while searches come. Each search first reads
 * the rows inserted since, by whichever process: a name never changes, and rows are numbered in the order of their commits.
 */
export function createNameSearch(reader: DatabaseSync, mostNames = MOST_NAMES) {
  let known: Names | undefined;
  const release = setTimeout(() => (known = undefined), KEPT_MS).unref();
  return (part: string): readonly string[] | undefined => {
    if (part === '' || part.includes('\n')) return undefined;
    release.refresh();
    known = (known && readNewer(reader, known)) ?? readAll(reader, mostNames);
    const { areTooMany, lines, newer } = known;
    if (areTooMany) return undefined;
    const found = [...findLines(lines, part), ...findLines(newer, part)];
    return found.length < FEW ? found : undefined;
  };
}

/** Takes about twice as long as one search in SQLite. In this order the names come from an index. */
function readAll(reader: DatabaseSync, mostNames: number): Names {
  const row = reader
    .prepare(
      `with live as (select name from sessions where deleted_at is null
         order by name limit ${mostNames + 1})
       select cast(group_concat(name, char(10)) as blob) as lines, count(*) as count,
         (select max(rowid) from sessions) as lastRow,
         (select job_id from sessions order by rowid desc limit 1) as lastJobId
       from live`,
    )
    .get();
  const areTooMany = Number(row?.['count']) > mostNames;
  return {
    lines: areTooMany ? Buffer.alloc(0) : toBuffer(row?.['lines']),
    newer: Buffer.alloc(0),
    lastRow: Number(row?.['lastRow'] ?? 0),
    lastJobId: row?.['lastJobId'] ?? null,
    areTooMany,
  };
}

/**
 * Undefined if all must be read again. SQLite uses the number of a row again only if the row with the highest number was
 * removed, so new numbers are those above the last as long as the last row is the same.
 */
function readNewer(reader: DatabaseSync, names: Names): Names | undefined {
  const { lines, lastRow, lastJobId, areTooMany } = names;
  if (areTooMany) return names;
  const row = reader
    .prepare(
      `select cast(group_concat(name, char(10)) as blob) as lines, max(rowid) as lastRow, job_id as lastJobId,
         (select job_id from sessions where rowid = $lastRow) as knownJobId
       from sessions where rowid > $lastRow`,
    )
    .get({ lastRow });
  if (row === undefined || row['knownJobId'] !== lastJobId) return undefined;
  if (row['lastRow'] === null) return names;
  const newer = Buffer.concat([names.newer, toBuffer(row['lines']), Buffer.from('\n')]);
  if (newer.length > Math.max(LEAST_SPARE, lines.length * SPARE_SHARE)) return undefined;
  return { ...names, newer, lastRow: Number(row['lastRow']), lastJobId: row['lastJobId'] };
}

function toBuffer(blob: unknown): Buffer {
  if (!(blob instanceof Uint8Array)) return Buffer.alloc(0);
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
}

/** At most `FEW` of the lines that contain `part`. In UTF-8, no character's bytes are found within another's. */
function findLines(lines: Buffer, part: string): readonly string[] {
  const bytes = Buffer.from(part);
  const found: string[] = [];
  let at = lines.indexOf(bytes);
  while (at >= 0 && found.length < FEW) {
    const begin = lines.lastIndexOf(LINE_FEED, at) + 1;
    const next = lines.indexOf(LINE_FEED, at);
    const end = next < 0 ? lines.length : next;
    found.push(lines.toString('utf8', begin, end));
    at = lines.indexOf(bytes, end);
  }
  return found;
}
