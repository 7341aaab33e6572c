import { setTimeout as delay } from 'node:timers/promises';
import {
  ListWatch,
  Watch,
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
} from '@kubernetes/client-node';
import { toWatchFault } from './kubernetes-faults.js';

const MIN_BACK_OFF_MS = 250;
const MAX_BACK_OFF_MS = 10_000;
const PAGE = 250;

/** The paging parameters of a list request. */
export interface Page {
  readonly limit?: number;
  readonly _continue?: string;
}

export interface InformerOptions<T extends KubernetesObject> {
  readonly config: KubeConfig;
  readonly path: string;
  readonly selector: string;
  readonly list: (signal: AbortSignal, page: Page) => Promise<KubernetesListObject<T>>;
  readonly onChange: (object: T) => void;
  readonly onDelete: (object: T) => void;
  readonly onBreak: (error: unknown) => void;
}

export interface Informer {
  /** Resolves once all existing objects have been passed to `onChange`. */
  readonly synced: Promise<void>;
  /** When it was last known to hear everything (`performance.now()`); -Infinity: never. */
  heardAt(): number;
  close(): void;
}

/**
 * Wraps the client's informer, which gives up when a connection breaks, and restarts it with back-off for as long as necessary.
 * It continues from what it has seen. If the server no longer knows that state, it lists again and reports the difference.
 */
export function openInformer<T extends KubernetesObject>(options: InformerOptions<T>): Informer {
  const { config, path, selector, list, onChange, onDelete, onBreak } = options;
  const closing = new AbortController();
  const synced = Promise.withResolvers<undefined>();
  let heardAt = -Infinity;
  let backOffMs = MIN_BACK_OFF_MS;
  let isRestarting = false;
  const hear = () => {
    heardAt = performance.now();
    backOffMs = MIN_BACK_OFF_MS;
  };
  let isListed = false;
  /** A server that was set back accepts a watch from a later version, and then tells nothing until it is there again. */
  const isSetBack = async (version: unknown) => {
    if (isListed) {
      isListed = false;
      return false;
    }
    const { metadata } = await list(closing.signal, { limit: 1 });
    return Number(metadata?.resourceVersion) < Number(version);
  };
  const informer = new ListWatch<T>(
    path,
    createWatch(config, hear, isSetBack, closing.signal),
    async () => {
      const listed = await listPages((page) => list(closing.signal, page));
      isListed = true;
      // The informer reports the listed objects in the turn in which it gets them.
      setImmediate(() => synced.resolve(undefined));
      return listed;
    },
    false,
    selector,
  );
  const start = () => informer.start().catch(restart);
  function restart(error: unknown): void {
    if (isRestarting || closing.signal.aborted) return;
    isRestarting = true;
    guard(() => onBreak(error));
    delay(backOffMs * (0.5 + Math.random() / 2), undefined, { signal: closing.signal }).then(
      () => {
        isRestarting = false;
        backOffMs = Math.min(backOffMs * 2, MAX_BACK_OFF_MS);
        void start();
      },
      () => undefined,
    );
  }
  const tell = (act: (object: T) => void) => (object: T) => guard(() => act(object));
  // An error thrown by a listener would end the process.
  function guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      queueMicrotask(() => onBreak(error));
    }
  }
  informer.on('add', tell(onChange));
  informer.on('update', tell(onChange));
  informer.on('delete', tell(onDelete));
  informer.on('error', restart);
  void start();
  return {
    synced: synced.promise.then(() => undefined),
    heardAt: () => heardAt,
    close() {
      closing.abort();
      informer.stop().catch(() => undefined);
    },
  };
}

/**
 * Lists all objects page by page, as they were at the first page. A single list would take several times the memory of what is
 * kept, and for very many objects no time limit would suffice.
 */
async function listPages<T extends KubernetesObject>(
  list: (page: Page) => Promise<KubernetesListObject<T>>,
): Promise<KubernetesListObject<T>> {
  const items: T[] = [];
  for (let next: Page = { limit: PAGE }; ;) {
    const page = await list(next);
    page.items.forEach(dropManagers);
    items.push(...page.items);
    const { _continue } = page.metadata ?? {};
    if (_continue === undefined || _continue === '') return { ...page, items };
    next = { limit: PAGE, _continue };
  }
}

/** The client's informer then lists again. */
const GONE = { statusCode: 410 };

/**
 * The client's watch, but a failure to authenticate is reported like any other, `onHeard` is called as long as it works, and
 * a version that the server does not have any more, because its database was restored from a backup, counts as gone.
 */
function createWatch(
  config: KubeConfig,
  onHeard: () => void,
  isSetBack: (version: unknown) => Promise<boolean>,
  closing: AbortSignal,
): Watch {
  const watch = new Watch(config);
  const open = watch.watch.bind(watch);
  watch.watch = async (path, query, onEvent, onDone) => {
    const state = { isDone: false };
    const done = (error: unknown) => {
      state.isDone = true;
      onDone(toWatchFault(path.split('/').at(-1) ?? path, error));
    };
    try {
      if (await isSetBack(query['resourceVersion'])) {
        done(GONE);
        return new AbortController();
      }
      const hearing: typeof onEvent = (phase, object: KubernetesObject, event) => {
        onHeard();
        dropManagers(object);
        onEvent(phase, object, event);
      };
      const controller = await open(path, query, hearing, done);
      if (!state.isDone) onHeard();
      // The informer was closed before it could end this connection.
      if (closing.aborted) controller.abort();
      return controller;
    } catch (error) {
      done(error);
      return new AbortController();
    }
  };
  return watch;
}

/** Drops the record of who set which field: two thirds of the memory of an object with many containers, and unused here. */
function dropManagers({ metadata }: KubernetesObject): void {
  delete metadata?.managedFields;
}
