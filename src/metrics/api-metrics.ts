import { Gauge, Histogram, type Registry } from 'prom-client';

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface AnsweredRequest {
  readonly method: string;
  /** The pattern of the route, never the path. */
  readonly route: string;
  /** The class of the status, such as `2xx`. */
  readonly status: string;
  readonly seconds: number;
}

export interface ApiMetrics {
  observeRequest(request: AnsweredRequest): void;
  /** Returns a function to call when the follower has gone. */
  openFollower(): () => void;
}

export function createApiMetrics(registry: Registry): ApiMetrics {
  const requests = new Histogram({
    name: 'keelson_http_request_duration_seconds',
    help: 'Time until the answer began, by method, pattern of the path, and class of status.',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_SECONDS,
    registers: [registry],
  });
  const followers = new Gauge({
    name: 'keelson_followers',
    help: 'Readers of logs and events at this moment.',
    registers: [registry],
  });
  return {
    observeRequest: ({ seconds, ...labels }) => requests.observe(labels, seconds),
    openFollower() {
      followers.inc();
      let isOpen = true;
      return () => {
        if (isOpen) followers.dec();
        isOpen = false;
      };
    },
  };
}

export function addDispatchMetrics(
  registry: Registry,
  readHealth: () => { readonly inFlight: number; readonly isFailing: boolean },
): void {
  new Gauge({
    name: 'keelson_dispatch_in_flight',
    help: 'Wishes that this process is handing to Temporal.',
    registers: [registry],
    collect() {
      this.set(readHealth().inFlight);
    },
  });
  new Gauge({
    name: 'keelson_dispatch_failing',
    help: 'Whether the last attempt of this process to hand a wish to Temporal failed.',
    registers: [registry],
    collect() {
      this.set(readHealth().isFailing ? 1 : 0);
    },
  });
}
