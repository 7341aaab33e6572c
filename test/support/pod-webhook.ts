import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { AdmissionregistrationV1Api, type KubeConfig } from '@kubernetes/client-node';
import { listen, stopListening } from './listen.js';

export interface PodWebhookOptions {
  readonly config: KubeConfig;
  readonly namespace: string;
  /** The address of this machine at which the API server reaches it. */
  readonly address: string;
  /** Label and value of the pods to change. */
  readonly label: readonly [string, string];
  /** JSON Patch. */
  readonly patch: readonly object[];
}

/** A webhook that changes pods when they are created, like those of service meshes. Returns how to remove it. */
export async function openPodWebhook(options: PodWebhookOptions): Promise<() => Promise<void>> {
  const { config, namespace, address, label, patch } = options;
  const certificate = createCertificate(address);
  const server = createServer(certificate, (request, response) => {
    void json(request).then((review) => {
      const { apiVersion, kind, request: asked } = review as AdmissionReview;
      const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
      const answer = { uid: asked.uid, allowed: true, patchType: 'JSONPatch', patch: encoded };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ apiVersion, kind, response: answer }));
    });
  });
  const port = await listen(server, 0, address);
  const name = `${namespace}.keelson.test`;
  const admission = config.makeApiClient(AdmissionregistrationV1Api);
  await admission.createMutatingWebhookConfiguration({
    body: {
      metadata: { name },
      webhooks: [
        {
          name,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          clientConfig: {
            url: `https://${address}:${port}/`,
            caBundle: Buffer.from(certificate.cert).toString('base64'),
          },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          objectSelector: { matchLabels: { [label[0]]: label[1] } },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] },
          ],
        },
      ],
    },
  });
  return async () => {
    await admission.deleteMutatingWebhookConfiguration({ name });
    await stopListening(server);
  };
}

interface AdmissionReview {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: { readonly uid: string };
}

function createCertificate(address: string): { readonly key: string; readonly cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-webhook-'));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  try {
    execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=webhook', '-addext', `subjectAltName=IP:${address}`, '-days', '1'],
      ...['-keyout', key, '-out', cert],
    ]);
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
