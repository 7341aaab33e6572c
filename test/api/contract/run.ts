import { afterAll, beforeAll } from '@jest/globals';
import { createRepository, type Repository } from '../../support/git-repository.js';
import { databases, type OpenDatabase } from '../databases.js';
import { openHttpService, type HttpService } from '../http-service.js';
import type { ContractSite } from './site.js';

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Each contract over real HTTP, on every database. One service is asked for changes and another, as of another process, for
 * everything else: what one has answered, the other must know.
 */
export function runContracts(
  title: string,
  contracts: readonly ((site: () => ContractSite) => void)[],
): void {
  for (const { name, describe, open } of databases) {
    describe(`${title} on ${name}`, () => {
      let site: ContractSite;
      let reading: HttpService;
      let repository: Repository;
      let database: OpenDatabase;
      beforeAll(async () => {
        repository = createRepository({ files: { 'site.yml': '[]\n' } });
        database = await open();
        const service = await openHttpService({ store: database.store, customizesImages: true });
        reading = await openHttpService({ ...service.deps, store: database.other });
        const ask: HttpService['ask'] = (method, ...rest) =>
          (READING.has(method) ? reading : service).ask(method, ...rest);
        site = { ...service, repository, ask };
      });
      afterAll(async () => {
        repository.remove();
        await reading.close();
        await site.close();
        await database.close();
      });
      for (const contract of contracts) contract(() => site);
    });
  }
}
