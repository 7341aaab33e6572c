import { afterAll, beforeAll } from '@jest/globals';
import { createRepository, type Repository } from '../support/git-repository.js';
import { configurationV2Contract } from './contract/configurations-v2.js';
import { optionContract } from './contract/options.js';
import { sessionPatchContract } from './contract/session-patch.js';
import { sessionV2Contract } from './contract/sessions-v2.js';
import type { ContractSite } from './contract/site.js';
import { databases, type OpenDatabase } from './databases.js';
import { openHttpService } from './http-service.js';

for (const { name, describe, open } of databases) {
  describe(`the contract on ${name}`, () => {
    let site: ContractSite;
    let repository: Repository;
    let database: OpenDatabase;
    beforeAll(async () => {
      repository = createRepository({ files: { 'site.yml': '[]\n' } });
      database = await open();
      site = { ...(await openHttpService({ store: database.store })), repository };
    }, 60_000);
    afterAll(async () => {
      repository.remove();
      await site.close();
      await database.close();
    });
    const contracts = [
      optionContract,
      configurationV2Contract,
      sessionV2Contract,
      sessionPatchContract,
    ];
    for (const contract of contracts) contract(() => site);
  });
}
