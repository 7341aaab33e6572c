import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { holdSteps, type Step } from '../support/kill-steps.js';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite({});
  const playbook = renderPlaybook(writes('ran', "{{ lookup('env', 'SESSION_NAME') }}"));
  await site.configure('plain', [site.layer({ 'site.yml': playbook })]);
});
afterAll(() => site.close());

const STEPS: readonly Step[] = ['claimSession', 'launchJob'];

describe.each(STEPS)('cancelled in %s', (step) => {
  test.each(['api', 'signal', 'native'])('by %s, nothing runs', async (way) => {
    const name = `${step.toLowerCase()}-${way}`;
    const hold = holdSteps(site, { [name]: step });
    await site.submit(name, { configuration_name: 'plain' });
    await hold.whenRefused();
    const client = await site.temporalClient();
    const listed = await waitFor(
      async () => {
        for await (const { workflowId } of client.workflow.list({
          query: `SessionName = "${name}"`,
        })) {
          return workflowId;
        }
        return undefined;
      },
      { what: 'the workflow to be listed' },
    );
    const handle = client.workflow.getHandle(listed);
    if (way === 'native') await handle.cancel();
    else if (way === 'signal') await handle.signal('cancel', { reason: 'by hand' });
    else expect((await site.ask('POST', `/v3/sessions/${name}/cancel`)).status).toBe(202);
    hold.allow();
    const ended = await site.whenOver(name);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'CANCELLED' });
    await waitFor(async () => (await handle.describe()).status.name !== 'RUNNING', {
      what: 'the workflow to end',
    });
    expect((await handle.describe()).status.name).toBe(
      way === 'native' ? 'CANCELLED' : 'COMPLETED',
    );
    for (const text of Object.values(site.made('ran'))) expect(text ?? '').not.toContain(name);
    await site.expectNothingLeft(listed);
  });
});
