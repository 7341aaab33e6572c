import { describe, expect, test } from '@jest/globals';
import { parsePodSettings } from '../../src/runner/pod-settings.js';

describe('parsePodSettings', () => {
  test('needs an image and has a default for all else', () => {
    expect(parsePodSettings('image: a/b:1')).toEqual({
      image: 'a/b:1',
      imagePullPolicy: 'IfNotPresent',
      imagePullSecrets: [],
      ansiblePlaybook: 'ansible-playbook',
      automountServiceAccountToken: false,
      readOnlyRootFilesystem: false,
      workspace: { medium: '' },
      resources: {
        clone: {},
        inventory: {},
        ansible: {
          requests: { cpu: '500m', memory: '4Gi' },
          limits: { cpu: '8', memory: '6Gi' },
        },
      },
      nodeSelector: {},
      tolerations: [],
      labels: {},
      annotations: {},
      hostNetwork: false,
      mesh: 'off',
    });
  });

  test('has CFS’s keys of CFS’s Secrets', () => {
    const text = 'image: a\nsshPrivateKey: {name: cfstrust}\nsshCertificate: {name: cert, key: x}';
    expect(parsePodSettings(text)).toMatchObject({
      sshPrivateKey: { kind: 'secret', name: 'cfstrust', key: 'private' },
      sshCertificate: { kind: 'secret', name: 'cert', key: 'x' },
    });
  });

  test.each([
    ['', /^image: /],
    ['registry.example.com/job', /^Invalid input: expected object/],
    ['image: a\nimages: b', /images/],
    ['image: a b', /^image: contains a space/],
    [
      'image: a\nresources: {ansible: {limits: {memory: lots}}}',
      /^resources.ansible.limits.memory: /,
    ],
    [
      'image: a\nsshPrivateKey: {name: Not_A_Name}',
      /^sshPrivateKey.name: is not a valid object name/,
    ],
    ['image: a\ntolerations: [{effect: Never}]', /^tolerations.0.effect: /],
    ['image: a\nnodeSelector: {"a b": c}', /nodeSelector/],
    ['image: a\nrunAsNonRoot: {user: 0, group: 1}', /^runAsNonRoot.user: /],
    ['image: a\nmesh: on', /^mesh: /],
    ['image: a\nactiveDeadlineSeconds: 0', /^activeDeadlineSeconds: /],
    ['image: [', /./],
  ])('names what is wrong with %j', (text, message) => {
    expect(() => parsePodSettings(text)).toThrow(message);
  });
});
