import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Orchestrator } from '../../src/clients/interfaces.js';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { registerSearchAttributes } from '../../src/clients/temporal-setup.js';
import { findFreePort } from '../support/ssh-host.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

let temporal: TestTemporal;
let orchestrator: Orchestrator;
beforeAll(async () => {
  temporal = await openTemporal();
  orchestrator = createOrchestrator({
    address: temporal.address,
    namespace: 'default',
    taskQueue: 'keelson-nobody-polls',
  });
});
afterAll(async () => {
  await orchestrator.close();
  await temporal.close();
});

function aStart() {
  return {
    jobId: `cfs-test-${randomBytes(6).toString('hex')}`,
    sessionName: 'first',
    configurationName: 'base',
    summary: 'first: base → dynamic',
  };
}

describe('createOrchestrator', () => {
  test('starts a session with a summary, and with search attributes to find it by name', async () => {
    const start = aStart();
    await orchestrator.startSession(start);
    const workflow = temporal.client.workflow.getHandle(start.jobId);
    expect(await (await workflow.describe()).staticSummary()).toBe(start.summary);
    const query = `WorkflowId = "${start.jobId}" AND SessionName = "first" AND SessionConfiguration = "base" AND SessionStatus = "pending"`;
    await waitFor(async () => (await temporal.client.workflow.count(query)).count === 1, {
      what: 'the workflow to be listed',
    });
    await workflow.terminate();
  });

  test('accepts a repeated start, whether the workflow runs or is closed', async () => {
    const start = aStart();
    await orchestrator.startSession(start);
    await orchestrator.startSession(start);
    await temporal.client.workflow.getHandle(start.jobId).terminate();
    await orchestrator.startSession(start);
    const { status } = await temporal.client.workflow.getHandle(start.jobId).describe();
    expect(status.name).toBe('TERMINATED');
  });

  test('signals cancels and waits, and ignores that a workflow does not exist', async () => {
    const start = aStart();
    await orchestrator.cancelSession(start.jobId, {});
    await orchestrator.startSession(start);
    await orchestrator.cancelSession(start.jobId, { by: 'ann', reason: 'enough' });
    await orchestrator.tellWaiting(start.jobId, 'Waiting: HSM');
    const workflow = temporal.client.workflow.getHandle(start.jobId);
    const { events } = await workflow.fetchHistory();
    const signals = events?.flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
      signal ? [String(signal.input?.payloads?.[0]?.data)] : [],
    );
    expect(signals).toEqual(['{"by":"ann","reason":"enough"}', '"Waiting: HSM"']);
    await workflow.terminate();
    await orchestrator.tellWaiting(start.jobId, '');
    await orchestrator.cancelSession(start.jobId, {});
  });

  test('tells what Temporal does not accept', async () => {
    const start = { ...aStart(), jobId: 'x'.repeat(2_000) };
    await expect(orchestrator.startSession(start)).rejects.toMatchObject({
      fault: 'rejected',
      message: expect.stringMatching(/did not start the session: .*: .*WorkflowId .*exceeds/i),
    });
  });

  test('throws unavailable if nothing listens, and check returns false', async () => {
    const away = createOrchestrator({
      address: `127.0.0.1:${await findFreePort()}`,
      namespace: 'default',
      taskQueue: 'any',
    });
    expect(await away.check()).toBe(false);
    await expect(away.startSession(aStart())).rejects.toMatchObject({ fault: 'unavailable' });
    await away.close();
    expect(await orchestrator.check()).toBe(true);
  });
});

describe('registerSearchAttributes', () => {
  test('may be repeated', async () => {
    await registerSearchAttributes(temporal.connection, 'default');
    const { customAttributes } = await temporal.connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    expect(Object.keys(customAttributes)).toEqual(
      expect.arrayContaining([
        'SessionName',
        'SessionStatus',
        'SessionPhase',
        'SessionConfiguration',
      ]),
    );
  });
});
