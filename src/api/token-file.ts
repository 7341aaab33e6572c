import { readFileSync, statSync } from 'node:fs';
import { parseTokens } from './auth.js';
import type { AccessToken } from './dependencies.js';

/**
 * Reads the tokens again when the file has changed, so that a token that was removed is refused at once. While the file cannot
 * be used the tokens stay as they were, and `onFault` is called once for each change.
 */
export function openTokenFile(
  file: string,
  onFault: (error: Error) => void,
): () => readonly AccessToken[] {
  let version = readVersion(file);
  let tokens = readTokens(file);
  return () => {
    const present = readVersion(file);
    if (present === version) return tokens;
    version = present;
    try {
      tokens = readTokens(file);
    } catch (error) {
      onFault(error as Error);
    }
    return tokens;
  };
}

/** Differs after each change of the file. Never throws, because it is called for each request. */
function readVersion(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return String(error);
  }
}

function readTokens(file: string): readonly AccessToken[] {
  try {
    return parseTokens(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`AUTH_TOKENS_FILE: ${file}: ${(error as Error).message}`);
  }
}
