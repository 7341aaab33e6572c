import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen, stopListening } from './listen.js';

export interface ImsRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

type Records = Map<string, Record<string, unknown>>;

/** `lost`: the request is carried out, but the connection is cut before the answer. `pass`: no disturbance. */
type Disturbance =
  | 'lost'
  | 'problem'
  | 'message'
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'nowhere'
  | 'page'
  | 'pass';

/** Serves the paths and records of IMS that Keelson uses, over loopback. Its jobs do nothing by themselves. */
export interface ImsStandIn {
  readonly url: string;
  readonly images: Records;
  readonly keys: Records;
  readonly jobs: Records;
  /** What a DELETE of version 3 has only put aside, by kind. Jobs are removed at once. */
  readonly deleted: Readonly<Record<'images' | 'public-keys', Records>>;
  readonly requests: ImsRequest[];
  /** What happens to the next requests of this kind, in order. */
  disturb(request: string, ...how: readonly Disturbance[]): void;
  close(): Promise<void>;
}

export async function startIms(prefix = ''): Promise<ImsStandIn> {
  const images: Records = new Map();
  const keys: Records = new Map();
  const jobs: Records = new Map();
  const kinds: Record<string, Records> = { images, 'public-keys': keys, jobs };
  const deleted = { images: new Map() as Records, 'public-keys': new Map() as Records };
  const isSoft = prefix.endsWith('/v3');
  const isPutAside = (kind: string): kind is keyof typeof deleted => isSoft && kind in deleted;
  const requests: ImsRequest[] = [];
  const disturbances = new Map<string, Disturbance[]>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '' } = request;
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const [path = ''] = url.slice(prefix.length).split('?');
    requests.push({ method, path, authorization: request.headers.authorization });
    const isDeleted = path.startsWith('/deleted/');
    const [, kind = '', id] = path.replace(/^\/deleted/, '').split('/');
    const call = isDeleted ? `${method} deleted/${kind}` : `${method} ${kind}`;
    const how = disturbances.get(call)?.shift();
    if (how === 'problem') {
      send(response, 500, 'application/problem+json', {
        status: 500,
        title: 'Internal Server Error',
        // The words of a client of Kubernetes.
        errors: ['(403)\nReason: Forbidden\n'],
      });
      return;
    }
    if (how === 'invalid') {
      send(response, 422, 'application/problem+json', {
        ...{ status: 422, title: 'Unprocessable Entity', detail: 'Input data was understood' },
        errors: {
          artifact_id: ['Not a valid UUID.'],
          ssh_containers: { 0: { color: ['Unknown field.'] } },
        },
      });
      return;
    }
    if (how === 'message') {
      send(response, 500, 'application/json', { message: 'Internal Server Error' });
      return;
    }
    if (how === 'nowhere' || how === 'page') {
      // A gateway that does not know where IMS is, and one that wants a login.
      response.writeHead(how === 'nowhere' ? 404 : 200, { 'content-type': 'text/html' });
      response.end(how === 'nowhere' ? '' : '<html>');
      return;
    }
    if (how === 'unauthorized' || how === 'forbidden') {
      // The answer of a gateway in front of IMS.
      response.writeHead(how === 'forbidden' ? 403 : 401, { 'content-type': 'text/plain' });
      response.end('Jwt is expired');
      return;
    }
    const aside = isPutAside(kind) ? deleted[kind] : undefined;
    const records = isDeleted ? aside : kinds[kind];
    if (!url.startsWith(prefix) || records === undefined) {
      refuse(response, 404, 'no such URL');
      return;
    }
    const removed = method === 'DELETE' && !isDeleted ? records.get(id ?? '') : undefined;
    if (removed !== undefined) aside?.set(id ?? '', removed);
    const done = act(records, method, kind, id, Buffer.concat(parts).toString());
    if (how === 'lost') request.socket.destroy();
    else if (done === undefined) refuse(response, 404, `${kind} ${id ?? ''} is not known`);
    else send(response, done.status, 'application/json', done.body);
  };
  const act = (
    records: Records,
    method: string,
    kind: string,
    id: string | undefined,
    text: string,
  ): { status: number; body?: unknown } | undefined => {
    if (method === 'POST') {
      const given = JSON.parse(text) as Record<string, unknown>;
      const record = kind === 'jobs' ? toJob(given) : { ...given, ...toStamp() };
      records.set(String(record['id']), record);
      return { status: 201, body: record };
    }
    if (id === undefined) return { status: 200, body: [...records.values()] };
    if (!records.has(id)) return undefined;
    if (method === 'DELETE') {
      records.delete(id);
      return { status: 204 };
    }
    return { status: 200, body: records.get(id) };
  };
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    images,
    keys,
    jobs,
    deleted,
    requests,
    disturb(request, ...how) {
      disturbances.set(request, [...how]);
    },
    close: () => stopListening(server),
  };
}

let made = 0;

/** Local time without an offset, as the current server writes it. */
function toStamp() {
  made += 1;
  const at = new Date(Date.UTC(2026, 0, 1, 0, 0, made)).toISOString().replace('Z', '123');
  return { id: randomUUID(), created: at };
}

function toJob(given: Record<string, unknown>): Record<string, unknown> {
  const { id, created } = toStamp();
  const [container] = given['ssh_containers'] as Record<string, unknown>[];
  return {
    ...given,
    ...{ id, created, status: 'creating', resultant_image_id: null, arch: 'x86_64' },
    ssh_containers: [
      {
        ...container,
        status: 'pending',
        connection_info: {
          'cluster.local': { host: `cray-ims-${id}-service.ims.svc.cluster.local`, port: 22 },
          customer_access: { host: `${id}.ims.cmn.shasta.local`, port: 22 },
        },
      },
    ],
  };
}

function send(response: ServerResponse, status: number, type: string, body?: unknown): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body === undefined ? '' : JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, detail: string): void {
  send(response, status, 'application/problem+json', { status, title: 'Not Found', detail });
}
