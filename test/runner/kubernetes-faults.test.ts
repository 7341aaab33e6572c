import { describe, expect, test } from '@jest/globals';
import { ApiException } from '@kubernetes/client-node';
import { toKubernetesFault, toWatchFault } from '../../src/runner/kubernetes-faults.js';

const refused = (code: number, message: string) =>
  new ApiException(code, '', JSON.stringify({ kind: 'Status', message }), {});
const RIGHT =
  'jobs.batch is forbidden: User "a" cannot create resource "jobs" in API group "batch" in the namespace "n"';

describe('toKubernetesFault', () => {
  test.each([
    [refused(404, 'gone'), 'missing', undefined],
    [refused(409, 'there'), 'conflict', undefined],
    [
      refused(
        409,
        'Operation cannot be fulfilled on resourcequotas "q": the object has been modified',
      ),
      'unavailable',
      undefined,
    ],
    [refused(403, RIGHT), 'forbidden', 'INTERNAL'],
    [refused(403, 'pods "a" is forbidden: exceeded quota: q'), 'unavailable', 'UNSCHEDULABLE'],
    [refused(403, 'admission webhook "w" denied the request'), 'forbidden', 'INTERNAL'],
    [refused(401, 'Unauthorized'), 'unavailable', undefined],
    [refused(422, 'Job "a" is invalid'), 'rejected', 'INTERNAL'],
    [
      refused(422, 'The Job "a" is invalid: metadata.uid: Invalid value: "b": field is immutable'),
      'conflict',
      undefined,
    ],
    [refused(413, 'too large'), 'too_large', 'INTERNAL'],
    [refused(500, 'etcdserver: request is too large'), 'too_large', 'INTERNAL'],
    [refused(500, 'trying to send message larger than max (3 vs. 2)'), 'too_large', 'INTERNAL'],
    [refused(429, 'too many'), 'unavailable', undefined],
    [refused(500, 'broken'), 'unavailable', undefined],
    [new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }), 'unavailable', undefined],
    [new DOMException('due to timeout', 'TimeoutError'), 'unavailable', undefined],
  ])('of %s is %s', (error, fault, reason) => {
    expect(toKubernetesFault('create job a', error)).toMatchObject({ fault, reason });
  });

  test('names the request and the missing right', () => {
    expect(toKubernetesFault('create job a', refused(403, RIGHT)).message).toBe(
      `Kubernetes would not create job a: ${RIGHT} The worker's Role has to allow it.`,
    );
    const silent = new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
    expect(toKubernetesFault('list pods', silent).message).toBe(
      'Kubernetes could not be asked to list pods: ECONNREFUSED.',
    );
  });
});

describe('toWatchFault', () => {
  test('names the missing right, and returns everything else unchanged', () => {
    const refusal = Object.assign(new Error('Forbidden'), { statusCode: 403 });
    expect(toWatchFault('jobs', refusal)).toMatchObject({
      fault: 'forbidden',
      message: `Kubernetes would not watch jobs: cannot watch resource "jobs". The worker's Role has to allow it.`,
    });
    for (const error of [null, new Error('reset'), Object.assign(new Error(), { statusCode: 410 })])
      expect(toWatchFault('jobs', error)).toBe(error);
  });
});
