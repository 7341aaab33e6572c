import { expect, test } from '@jest/globals';
import { receive } from '../../src/api/body.js';

/** A request whose client sends one piece and then nothing more. */
function aSilentRequest() {
  const body = new ReadableStream({ start: (client) => client.enqueue(Buffer.from('[')) });
  return new Request('http://api/', { method: 'PUT', body, duplex: 'half' });
}

test('a client that sends nothing more breaks off its request', async () => {
  const pieces = receive(aSilentRequest(), { preventCancel: true, silentMs: 20 });
  expect(await pieces.next()).toMatchObject({ value: Buffer.from('[') });
  await expect(pieces.next()).rejects.toMatchObject({
    fault: 'invalid',
    message: 'The client sent nothing more for 0.02 s.',
  });
});

test('a body that nobody wants to the end can be read on', async () => {
  const request = new Request('http://api/', { method: 'PUT', body: 'text' });
  const pieces = receive(request, { preventCancel: true });
  await pieces.next();
  await pieces.return(undefined);
  expect(request.body?.locked).toBe(false);
});
