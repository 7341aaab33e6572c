import type { Repository } from '../../support/git-repository.js';
import type { HttpService } from '../http-service.js';

/** A listening service on one database, and a repository. Tests share it, so each uses names of its own. */
export interface ContractSite extends HttpService {
  readonly repository: Repository;
}

/** All that requests can change. */
export async function readState({ store }: ContractSite): Promise<unknown> {
  return {
    sessions: (await store.sessions.list({}, { limit: 1_000 })).items,
    configurations: (await store.configurations.list({ limit: 1_000 })).items,
    sources: (await store.sources.list({ limit: 1_000 })).items,
    components: (await store.components.list({}, { limit: 1_000 })).items,
    options: await store.options.get(),
  };
}
