import { once } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import type { KubeConfig } from '@kubernetes/client-node';

/**
 * Replaces the client's reader, which neither keeps the bytes unchanged nor reports a broken connection. A server that sends
 * nothing for `idleMs` is given up.
 */
export async function openLogStream(
  config: KubeConfig,
  path: string,
  idleMs: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const url = new URL(`${config.getCurrentCluster()?.server ?? ''}${path}`);
  const options: RequestOptions = { method: 'GET', headers: {}, signal };
  await config.applyToHTTPSOptions(options);
  const start = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = start(url, options).end();
  request.setTimeout(idleMs, () => request.destroy(new Error('it stopped sending data')));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode === 200) return response as AsyncIterable<Uint8Array>;
  const body = await text(response);
  throw Object.assign(new Error('refused'), { code: response.statusCode ?? 0, body });
}
