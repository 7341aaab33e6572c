import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen, stopListening } from '../support/listen.js';

const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;
const ARCHIVE = `temporal_cli_1.5.1_linux_${ARCHITECTURE}.tar.gz`;

/** Replaces the real program in the archive. */
export const PROGRAM = '#!/bin/sh\necho "temporal version 1.5.1 (released)"\n';

export interface ReleaseServer {
  readonly url: string;
  /** Requested paths, in order. */
  readonly requests: string[];
  /** How the next answers fail: a wrong checksum, or an archive that ends half-way. */
  behaviour: 'good' | 'corrupt' | 'stalling';
  close(): Promise<void>;
}

/** Serves releases on loopback like their vendor: a redirect, a checksum file and an archive. */
export async function startReleaseServer(): Promise<ReleaseServer> {
  const archive = createArchive();
  const requests: string[] = [];
  const http = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    if (path.startsWith('/releases/')) {
      response.writeHead(302, { location: path.replace('/releases/', '/files/') }).end();
    } else if (path === '/files/v1.5.1/checksums.txt') {
      const digest = createHash('sha256').update(archive).digest('hex');
      const shown = server.behaviour === 'corrupt' ? digest.replace(/./g, '0') : digest;
      response.end(`${'1'.repeat(64)}  other.tar.gz\n${shown}  ${ARCHIVE}\n`);
    } else if (path === `/files/v1.5.1/${ARCHIVE}`) {
      sendArchive(response, archive, server.behaviour === 'stalling');
    } else {
      response.writeHead(404).end();
    }
  });
  const server: ReleaseServer = {
    url: `http://127.0.0.1:${await listen(http)}/releases`,
    requests,
    behaviour: 'good',
    close: () => stopListening(http),
  };
  return server;
}

function sendArchive(response: ServerResponse, archive: Buffer, isStalling: boolean): void {
  response.writeHead(200, { 'content-length': archive.length });
  if (isStalling) response.write(archive.subarray(0, archive.length / 2));
  else response.end(archive);
}

function createArchive(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-release-'));
  mkdirSync(join(directory, 'content'));
  writeFileSync(join(directory, 'content', 'temporal'), PROGRAM, { mode: 0o755 });
  writeFileSync(join(directory, 'content', 'LICENSE'), 'MIT\n');
  const file = join(directory, 'archive.tar.gz');
  execFileSync('tar', ['-czf', file, '-C', join(directory, 'content'), 'LICENSE', 'temporal']);
  const archive = readFileSync(file);
  rmSync(directory, { recursive: true });
  return archive;
}
