import { invalid, missing } from '../core/errors.js';
import type { Component, ComponentPatch } from '../core/component.js';
import type { ComponentFilter, ComponentView, Store } from '../store/store.js';
import { fromComponentBody, type ComponentRequest } from './wire/component.js';

export type IdentifiedPatch = ComponentPatch & Pick<Component, 'id'>;

/** A bulk PATCH, in both versions: one patch for each component, or one patch for all that match. */
export type ComponentPatches =
  | readonly IdentifiedPatch[]
  | { readonly patch: ComponentPatch; readonly filters: ComponentFilter };

type ToResult<T> = (component: Component) => T;

export async function findComponent(store: Store, id: string): Promise<ComponentView> {
  const found = await store.components.find(id);
  if (found === undefined) throw missing('Component', id);
  return found;
}

export function patchComponents<T>(
  store: Store,
  patches: ComponentPatches,
  at: string,
  toResult: ToResult<T>,
): Promise<readonly T[]> {
  if (!('filters' in patches)) return store.components.patch(patches, at, toResult);
  return store.components.patchMatching(patches.filters, patches.patch, at, toResult);
}

/** Like `patchComponents`, but returns only the ids, which is cheaper. */
export function patchComponentIds(
  store: Store,
  patches: ComponentPatches,
  at: string,
): Promise<readonly string[]> {
  if (!('filters' in patches)) return patchComponents(store, patches, at, ({ id }) => id);
  return store.components.patchAll(patches.filters, patches.patch, at);
}

/** `body.id` must be the id of the path, which goes before the one in the request's body. */
export async function putComponent<T>(
  store: Store,
  body: ComponentRequest & { readonly id: string },
  at: string,
  toResult: ToResult<T>,
): Promise<T> {
  const [result] = await store.components.put([toIdentified(body)], at, toResult);
  return result as T;
}

export async function patchComponent<T>(
  store: Store,
  body: ComponentRequest & { readonly id: string },
  at: string,
  toResult: ToResult<T>,
): Promise<T> {
  const [result] = await store.components.patch([toIdentified(body)], at, toResult);
  return result as T;
}

/** Requires the id that each element of a list must have. The fault names the element by its index. */
export function toIdentified(body: ComponentRequest, index = 0): IdentifiedPatch {
  const { id } = body;
  if (id === undefined) {
    throw invalid(`The member is required - '${index}.id'`, 'Error parsing the data provided.');
  }
  return { id, ...fromComponentBody(body) };
}
