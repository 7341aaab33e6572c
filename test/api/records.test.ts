import { afterAll, beforeAll, test } from '@jest/globals';
import { createRepository, type Repository } from '../support/git-repository.js';
import { checkRecords } from './contract/record-model.js';
import { TENANTS } from './contract/record-values.js';
import { databases, type OpenDatabase } from './databases.js';
import { openHttpService, type HttpService } from './http-service.js';

/** About a second each. The seed is a new one each time, and printed on failure. */
const RUNS = Number(process.env['RECORD_RUNS'] ?? 3);

const tenants = {
  knows: (tenant: string) => Promise.resolve(TENANTS.includes(tenant)),
  findKeys: () => Promise.resolve(undefined),
};

for (const { name, describe, open } of databases) {
  describe(`records on ${name}`, () => {
    let repository: Repository;
    let database: OpenDatabase;
    /** As of two processes. */
    let services: readonly HttpService[];
    beforeAll(async () => {
      repository = createRepository({ files: { 'site.yml': '[]\n' } });
      database = await open();
      const changes = { store: database.store, isExternal: true, tenants };
      const one = await openHttpService(changes);
      services = [one, await openHttpService({ ...one.deps, store: database.other })];
    });
    afterAll(async () => {
      for (const service of services) await service.close();
      await database.close();
      repository.remove();
    });

    test('are what a simple model says, whatever is asked of them', async () => {
      const [one, two] = services as readonly [HttpService, HttpService];
      let turn = 0;
      await checkRecords(
        {
          ...{ repository, store: one.store, setTime: one.setTime },
          // What one process has answered, the other must know.
          ask: ({ method, path, body, headers }) =>
            ((turn += 1) % 3 === 0 ? two : one).ask(method, path, body, headers),
        },
        RUNS,
      );
    }, 120_000);
  });
}
