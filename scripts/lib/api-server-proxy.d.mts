import type { KubeConfig } from '@kubernetes/client-node';

/** A request to Kubernetes: the kind is as in its path, `jobs` or `pods/log`. */
export interface ApiCall {
  readonly method: string;
  readonly kind: string;
  /** Path and body, which name what it is about. */
  readonly about: string;
}

export interface CallHold {
  /** Is asked of each call, in their order, until it says that one is the one. */
  readonly isMeant: (call: ApiCall) => boolean;
  /** `before`: Kubernetes does not hear of it; `after`: whoever asked does not hear the answer. */
  readonly when: 'before' | 'after';
}

export interface ApiServerProxy {
  readonly calls: readonly ApiCall[];
  /** As a kubeconfig file has it. */
  readonly kubeconfig: string;
  /** Resolves when the call is held; it stays so until whoever asked is gone. */
  hold(hold: CallHold): Promise<void>;
  close(): Promise<void>;
}

export function startApiServerProxy(config: KubeConfig): Promise<ApiServerProxy>;
