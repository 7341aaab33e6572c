import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { listen, stopListening } from '../support/listen.js';

export interface DeliveredPhase {
  log: Buffer;
  state: Record<string, unknown> | undefined;
  readonly hosts: unknown[];
}

/** An API in memory that receives what jobs deliver. */
export interface JobApi {
  readonly url: string;
  phase(jobId: string, phase: string): DeliveredPhase;
  /** Refuses connections until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

export async function startJobApi(): Promise<JobApi> {
  const phases = new Map<string, DeliveredPhase>();
  const phase = (jobId: string, name: string) => {
    const key = `${jobId}/${name}`;
    const found = phases.get(key) ?? { log: Buffer.alloc(0), state: undefined, hosts: [] };
    phases.set(key, found);
    return found;
  };
  const server = createServer((request, response) => {
    answer(request, response, phase).catch((error: unknown) => response.destroy(error as Error));
  });
  const pause = () => stopListening(server);
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    phase,
    pause,
    resume: async () => {
      await listen(server, port);
    },
    close: pause,
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  find: (jobId: string, phase: string) => DeliveredPhase,
): Promise<void> {
  const match = /^\/jobs\/([^/]+)\/phases\/([^/]+)(?:\/(log|hosts))?$/.exec(request.url ?? '');
  const raw = await buffer(request);
  const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
  if (match === null) {
    response.writeHead(404).end();
    return;
  }
  const phase = find(match[1] ?? '', match[2] ?? '');
  if (match[3] === 'log') {
    answerLog(request, response, phase, body);
    return;
  }
  const json = JSON.parse(body.toString()) as Record<string, unknown>;
  if (match[3] === 'hosts') phase.hosts.push(json);
  else phase.state = json;
  response.writeHead(204).end();
}

function answerLog(
  request: IncomingMessage,
  response: ServerResponse,
  phase: DeliveredPhase,
  body: Buffer,
): void {
  const end = phase.log.length;
  const offset = Number(request.headers['upload-offset'] ?? end);
  if (offset > end) {
    response.writeHead(409, { 'Upload-Offset': end }).end();
    return;
  }
  if (request.method === 'PATCH')
    phase.log = Buffer.concat([phase.log, body.subarray(end - offset)]);
  response.writeHead(204, { 'Upload-Offset': phase.log.length }).end();
}
