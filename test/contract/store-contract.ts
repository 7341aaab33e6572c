import { afterEach, beforeEach, describe } from '@jest/globals';
import type { Store } from '../../src/store/store.js';
import { admissionContract } from './store/admission.js';
import { batchContract } from './store/batches.js';
import { changeContract } from './store/changes.js';
import { componentContract } from './store/components.js';
import { configurationContract } from './store/configurations.js';
import { documentContract } from './store/documents.js';
import { hostContract } from './store/hosts.js';
import { hostLockContract } from './store/host-locks.js';
import { logContract } from './store/logs.js';
import { notificationContract } from './store/notifications.js';
import { phaseContract } from './store/phases.js';
import { retentionContract } from './store/retention.js';
import { sessionFilterContract } from './store/session-filters.js';
import { sessionListContract } from './store/session-list.js';
import { sessionProgressContract } from './store/session-progress.js';
import { sessionRequestContract } from './store/session-requests.js';
import { sweepContract } from './store/sweep.js';
import { dispatchContract } from './store/dispatch.js';
import { writeContract } from './store/writes.js';

export interface StoreFixture {
  /** Several handles on one empty database, as so many processes would have. */
  open(): Promise<Store>;
  /** After all stores are closed. */
  remove(): Promise<void>;
}

/** One handle for what a test does, another for a second process. */
export interface Stores {
  readonly store: Store;
  readonly other: Store;
}

/** Every promise in the comments of `src/store/store.ts`, for each database. */
export function storeContract(name: string, create: () => Promise<StoreFixture>): void {
  describe(`${name} store`, () => {
    let fixture: StoreFixture;
    let stores: Stores;
    beforeEach(async () => {
      fixture = await create();
      stores = { store: await fixture.open(), other: await fixture.open() };
    });
    afterEach(async () => {
      await stores.store.close();
      await stores.other.close();
      await fixture.remove();
    });
    const contracts = [
      sessionRequestContract,
      sessionListContract,
      sessionFilterContract,
      sessionProgressContract,
      dispatchContract,
      phaseContract,
      logContract,
      hostContract,
      configurationContract,
      componentContract,
      batchContract,
      documentContract,
      changeContract,
      sweepContract,
      admissionContract,
      hostLockContract,
      retentionContract,
      notificationContract,
      writeContract,
    ];
    for (const contract of contracts) contract(() => stores);
  });
}
