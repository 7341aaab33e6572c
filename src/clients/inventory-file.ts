import { readFile } from 'node:fs/promises';
import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import { ServiceError } from '../core/errors.js';
import {
  parseComponents,
  parseGroups,
  parsePartitions,
  requireObject,
  toPathText,
  type Complaint,
  type DocumentPath,
} from './hardware-state.js';
import type { HardwareClient } from './interfaces.js';

const KEYS = ['groups', 'partitions', 'components'];

/** Reads groups, partitions and nodes from a YAML file, for sites without HSM. The file is read for each session. */
export function createInventoryFile(path: string): HardwareClient {
  const read = async (signal: AbortSignal) =>
    parseInventoryFile(path, await readText(path, signal));
  return {
    source: path,
    fetchHardwareState: read,
    fetchNodes: async (signal) => (await read(signal)).components,
  };
}

function parseInventoryFile(path: string, text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined)
    throw refuse(
      path,
      lines.linePos(syntaxError.pos[0]).line,
      `is not YAML: ${syntaxError.message}`,
    );
  const complain: Complaint = (place, fact) =>
    refuse(path, findLine(document, lines, place), `${toPathText(place)} ${fact}`.trimStart());
  const content = requireObject(toValue(document, path), [], complain);
  const unknown = Object.keys(content).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw complain([unknown], `is not one of ${KEYS.join(', ')}`);
  return {
    groups: parseGroups(content['groups'] ?? [], complain),
    partitions: parsePartitions(content['partitions'] ?? [], complain),
    components: parseComponents(content['components'] ?? [], ['components'], complain),
  };
}

/** Resolves aliases: refuses those without an anchor, and documents that expand far beyond their size. */
function toValue(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw refuse(path, 1, `is not YAML: ${(error as Error).message}`);
  }
}

/** The line of the value or, if it is missing, of the innermost value that should contain it. */
function findLine(document: Document, lines: LineCounter, place: DocumentPath): number {
  for (let length = place.length; length > 0; length -= 1) {
    const node = document.getIn(place.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function refuse(path: string, line: number, fact: string): ServiceError {
  return new ServiceError('rejected', `Inventory file ${path}, line ${line}: ${fact}.`, {
    reason: 'INVENTORY',
  });
}

async function readText(path: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(path, { encoding: 'utf8', signal });
  } catch (error) {
    signal.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    throw new ServiceError('rejected', `Inventory file ${path} cannot be read (${code}).`, {
      reason: 'INVENTORY',
      cause: error,
    });
  }
}
