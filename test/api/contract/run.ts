import { afterAll, beforeAll } from '@jest/globals';
import { createRepository, type Repository } from '../../support/git-repository.js';
import { databases, type OpenDatabase } from '../databases.js';
import { openHttpService } from '../http-service.js';
import type { ContractSite } from './site.js';

/** Each contract over real HTTP, on every database. */
export function runContracts(
  title: string,
  contracts: readonly ((site: () => ContractSite) => void)[],
): void {
  for (const { name, describe, open } of databases) {
    describe(`${title} on ${name}`, () => {
      let site: ContractSite;
      let repository: Repository;
      let database: OpenDatabase;
      beforeAll(async () => {
        repository = createRepository({ files: { 'site.yml': '[]\n' } });
        database = await open();
        const service = await openHttpService({ store: database.store, customizesImages: true });
        site = { ...service, repository };
      });
      afterAll(async () => {
        repository.remove();
        await site.close();
        await database.close();
      });
      for (const contract of contracts) contract(() => site);
    });
  }
}
