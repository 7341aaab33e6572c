export { createRepository } from '../../scripts/lib/git-repository.mjs';
export type { Repository, RepositoryChange } from '../../scripts/lib/git-repository.mjs';
