import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BatchV1Api } from '@kubernetes/client-node';
import { describeImages } from '../image-service/image-site.js';
import { describeCluster } from '../runner/kubernetes-harness.js';
import { holdSteps } from '../support/kill-steps.js';
import { openImageSessions, writesLine, type ImageSessions } from './image-sessions.js';
import { openKubernetesSite, type KubernetesSite } from './kubernetes-site.js';

const MINUTES = 60_000;

describeCluster('an image session on Kubernetes', () => {
  describeImages('with an image service', () => {
    let sessions: ImageSessions;
    let site: KubernetesSite;
    let image: string;
    beforeAll(async () => {
      sessions = await openImageSessions(
        async (environment) => (site = await openKubernetesSite(environment)),
      );
      image = await sessions.images.add(sessions.tree);
    }, 3 * MINUTES);
    afterAll(() => sessions.close(), MINUTES);

    const submit = async (name: string) => {
      const layers = [
        await site.httpLayer({ 'site.yml': writesLine('first') }),
        await site.httpLayer({ 'site.yml': writesLine('second') }),
      ];
      await sessions.submit(name, [image], layers);
    };
    const expectResult = async (name: string) => {
      expect(await site.whenComplete(name)).toMatchObject({ succeeded: 'true', reason: null });
      expect(await sessions.whenOver(name)).toMatchObject({ succeeded: 'true' });
      const [artifact] = await sessions.artifacts(name);
      expect(artifact).toMatchObject({ image_id: image, type: 'ims_customized_image' });
      const lines = sessions.read(artifact?.result_id ?? '', 'root/lines');
      expect(lines).toBe(`first ${image}\nsecond ${image}\n`);
      expect(await site.countSecrets()).toBe(0);
    };

    test(
      'applies its layers from a pod, and the image is packaged',
      async () => {
        await submit('whole');
        await expectResult('whole');
        expect(await site.log('whole', 'ansible-1')).toBe(await site.podLog('whole', 'ansible-1'));
      },
      4 * MINUTES,
    );

    test(
      'packages its image although its Job is deleted after the last playbook',
      async () => {
        const hold = holdSteps(site, { gone: 'stopJob' });
        await submit('gone');
        await hold.whenRefused();
        const { job } = (await site.find('gone')).status.session;
        await site.config.makeApiClient(BatchV1Api).deleteNamespacedJob({
          namespace: site.namespace,
          name: job ?? '',
          propagationPolicy: 'Foreground',
        });
        hold.allow();
        await expectResult('gone');
      },
      4 * MINUTES,
    );
  });
});
