import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeCluster } from '../runner/kubernetes-harness.js';
import { waitFor } from '../support/wait.js';
import { openKubernetesSite, type KubernetesSite } from './kubernetes-site.js';
import { renderPlaybook, writes } from './site.js';

const MINUTES = 60_000;
const isWhole = process.env['KUBERNETES_LOAD'] === 'all';
const SESSIONS = isWhole ? 50 : 5;
/** Pieces of a million bytes. Together they are more than the kubelet keeps. */
const PIECES = isWhole ? 100 : 20;
const PIECE = 1_000_000;
const whoami = "{{ lookup('env', 'SESSION_NAME') }}";
const talkative = `- hosts: lab[0]
  gather_facts: false
  tasks:
    - shell: while [ ! -e "$KEELSON_WORLD/go-${whoami}" ]; do sleep 0.2; done
    - debug:
        msg: "{{ 'x' * ${PIECE} }}"
      loop: "{{ range(${PIECES}) | list }}"
      # What is merely ok is not shown.
      changed_when: true
    # The kubelet looks every ten seconds whether a file is full.
    - shell: sleep 15
`;

const ALL = Array.from({ length: PIECES }, (_, item) => item);

/** The pieces of the playbook's output that are in the log, in order; -1 for a piece that is cut. */
const countPieces = (log: string) =>
  [...log.matchAll(/\(item=(\d+)\) => \{[^}]*?"msg": "(x+)"/g)].map(([, item, text = '']) =>
    text.length === PIECE ? Number(item) : -1,
  );

describeCluster('under load on Kubernetes', () => {
  let site: KubernetesSite;
  beforeAll(async () => {
    site = await openKubernetesSite();
  });
  afterAll(() => site.close(), MINUTES);

  const letGo = (name: string) => {
    for (const { directory } of site.hosts) writeFileSync(join(directory, `go-${name}`), '');
  };
  /** The length of the log as the phase's own process reports it. */
  const readReportedBytes = async (name: string) => {
    const pod = await site.findPod(name);
    const message = pod?.status?.containerStatuses?.[0]?.state?.terminated?.message ?? '';
    return (JSON.parse(message) as { readonly log_bytes: number }).log_bytes;
  };

  test(
    `${SESSIONS} sessions at once all succeed, and each runs once`,
    async () => {
      const layer = await site.httpLayer({ 'site.yml': renderPlaybook(writes('crowd', whoami)) });
      await site.configure('crowd', [layer]);
      const names = Array.from({ length: SESSIONS }, (_, index) => `crowd-${index}`);
      await Promise.all(names.map((name) => site.submit(name, { configuration_name: 'crowd' })));
      for (const name of names) {
        const { status } = await site.waitUntilComplete(name, 20 * MINUTES);
        expect([name, status.session]).toMatchObject([name, { succeeded: 'true', reason: null }]);
      }
      for (const text of Object.values(site.made('crowd')))
        expect(text?.trimEnd().split('\n').sort()).toEqual([...names].sort());
      await waitFor(async () => (await site.countSecrets()) === 0, {
        what: 'no Secret to be left',
      });
    },
    25 * MINUTES,
  );

  test(
    `a log of ${PIECES} MB is delivered completely`,
    async () => {
      await site.begin('told', [await site.httpLayer({ 'site.yml': talkative })], 'ansible-0');
      letGo('told');
      expect(await site.whenComplete('told')).toMatchObject({ succeeded: 'true' });
      const log = await site.log('told', 'ansible-0');
      expect(countPieces(log)).toEqual(ALL);
      expect(Buffer.byteLength(log)).toBe(await readReportedBytes('told'));
    },
    10 * MINUTES,
  );

  test(
    `a log of ${PIECES} MB that could not be delivered has its end, and says how much is lost`,
    async () => {
      await site.ask('PATCH', '/v3/options', { report_wait: 1 });
      await site.begin('untold', [await site.httpLayer({ 'site.yml': talkative })], 'ansible-0');
      await site.api.kill();
      letGo('untold');
      await waitFor(async () => (await site.findPod('untold'))?.status?.phase === 'Succeeded', {
        timeoutMs: 8 * MINUTES,
        what: 'the pod to succeed',
      });
      await site.api.start();
      expect(await site.whenComplete('untold')).toMatchObject({ succeeded: 'true' });
      const log = await site.log('untold', 'ansible-0');
      const [line = '', lost] = /\n?\[(\d+) bytes of this log were lost: .*\]\n/.exec(log) ?? [];
      expect(Number(lost)).toBeGreaterThan(0);
      expect(log).toMatch(/PLAY RECAP/);
      const reported = await readReportedBytes('untold');
      const kept = countPieces(log.slice(log.indexOf(line)));
      expect(kept).toEqual(ALL.slice(PIECES - kept.length));
      const missing = Buffer.byteLength(log) - line.length + Number(lost) - reported;
      // The line break before the message is part of the log, unless the log was cut within a line.
      expect([-1, 0]).toContain(missing);
    },
    15 * MINUTES,
  );
});
