import type { Repository } from '../../support/git-repository.js';
import type { HttpService } from '../http-service.js';

/** One listening service on one database, and a repository; tests use names of their own. */
export interface ContractSite extends HttpService {
  readonly repository: Repository;
}
