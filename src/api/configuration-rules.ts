import type { Configuration, Layer, RepositoryReference } from '../core/configuration.js';
import { invalid } from '../core/errors.js';
import { findRefFault, findUrlFault } from './repository-url.js';

/** URLs of sources by name. Names that are missing are not known. */
type SourceUrls = ReadonlyMap<string, string>;

export interface RepositoryRules {
  readonly gitProtocols: string;
  /** Title of the problem for a layer with both branch and commit; it differs between versions of the API. */
  readonly branchTitle: string;
  readonly sourceUrls: SourceUrls;
}

/** Checks everything that needs no git server, in the order of CFS. */
export function checkRepositories(
  configuration: Configuration,
  { gitProtocols, branchTitle, sourceUrls }: RepositoryRules,
): void {
  const uses = listReferences(configuration);
  for (const [member, reference] of uses) checkOrigin(member, reference);
  for (const [member, { branch, commit }] of uses) {
    if (branch !== undefined && commit !== undefined) {
      throw invalid(`A branch and a commit exclude each other - '${member}'`, branchTitle);
    }
  }
  for (const [member, { source }] of uses) {
    if (source !== undefined && source !== '' && !sourceUrls.has(source)) {
      throw invalid(
        `The source ${source} does not exist. - '${member}.source'`,
        'Source does not exist',
      );
    }
  }
  for (const [member, reference] of uses) checkAddress(member, reference, gitProtocols);
}

/**
 * Refuses two layers with the same repository and playbook, even if their commits differ: the state of a component has one
 * place for both. A repository is the same under its URL and through a source.
 */
export function checkConflicts(layers: readonly Layer[], sourceUrls: SourceUrls): void {
  const seen = new Map<string, number>();
  layers.forEach((layer, index) => {
    const { cloneUrl = '', source = '', playbook } = layer;
    const key = JSON.stringify([cloneUrl === '' ? sourceUrls.get(source) : cloneUrl, playbook]);
    const first = seen.get(key);
    if (first !== undefined) {
      throw invalid(
        `Layers ${first} and ${index} run the same playbook of the same repository - 'layers.${index}'`,
        'Error with conflicting layers',
      );
    }
    seen.set(key, index);
  });
}

function listReferences(configuration: Configuration): readonly [string, RepositoryReference][] {
  const { layers, additionalInventory } = configuration;
  const uses = layers.map((layer, index): [string, RepositoryReference] => [
    `layers.${index}`,
    layer,
  ]);
  if (additionalInventory !== undefined) uses.push(['additional_inventory', additionalInventory]);
  return uses;
}

function checkOrigin(member: string, { cloneUrl = '', source = '' }: RepositoryReference): void {
  if ((cloneUrl === '') === (source === '')) {
    throw invalid(
      `Exactly one of clone_url and source is required - '${member}'`,
      'Error handling source',
    );
  }
}

function checkAddress(member: string, reference: RepositoryReference, gitProtocols: string): void {
  const { cloneUrl = '' } = reference;
  const urlFault = cloneUrl === '' ? undefined : findUrlFault(cloneUrl, gitProtocols);
  if (urlFault !== undefined) throw invalid(`${urlFault} - '${member}.clone_url'`);
  const refFault = findRefFault(reference.branch ?? '');
  if (refFault !== undefined) throw invalid(`${refFault} - '${member}.branch'`);
}
