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

/** As a request for a list has it. */
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
  /** Resolves when everything that is there has been told. */
  readonly synced: Promise<void>;
  /** When it last was known to hear everything; -Infinity: never. */
  heardAt(): number;
  close(): void;
}

/**
 * The client's informer, which gives up on the first connection that breaks: begun again with back-off, for as long as it
 * takes. It goes on from what it has seen; where the server has forgotten that, it lists again and tells the difference.
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
  const informer = new ListWatch<T>(
    path,
    createWatch(config, hear, closing.signal),
    async () => {
      const listed = await listPages((page) => list(closing.signal, page));
      // It tells what was listed in the same turn in which it gets it.
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
  // An error that a listener throws would end the process.
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
 * All of them, as they were when the first was told. At once they would take several times the memory of what is kept, and
 * where they are many no time limit of a request would do.
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

/** As it is, but that a failure to authenticate is told like any other, and that a connection which stands or speaks is known. */
function createWatch(config: KubeConfig, onHeard: () => void, closing: AbortSignal): Watch {
  const watch = new Watch(config);
  const open = watch.watch.bind(watch);
  watch.watch = async (path, query, onEvent, onDone) => {
    const state = { isDone: false };
    const done = (error: unknown) => {
      state.isDone = true;
      onDone(toWatchFault(path.split('/').at(-1) ?? path, error));
    };
    try {
      const hearing: typeof onEvent = (phase, object: KubernetesObject, event) => {
        onHeard();
        dropManagers(object);
        onEvent(phase, object, event);
      };
      const controller = await open(path, query, hearing, done);
      if (!state.isDone) onHeard();
      // The informer could not end it yet when it was closed.
      if (closing.aborted) controller.abort();
      return controller;
    } catch (error) {
      done(error);
      return new AbortController();
    }
  };
  return watch;
}

/** Who has set which field: two thirds of what an object of many containers takes in memory, and nobody here asks. */
function dropManagers({ metadata }: KubernetesObject): void {
  delete metadata?.managedFields;
}
