import { invalid, missing } from '../core/errors.js';
import type { Component } from '../core/component.js';
import type { ComponentFilter, ComponentView, Store } from '../store/store.js';
import { fromComponentBody, type ComponentRequest } from './wire/component.js';

/** What a PATCH of many asks for, in both versions. */
export type ComponentPatches =
  | readonly ComponentRequest[]
  | { readonly patch: ComponentRequest; readonly filters: ComponentFilter };

/** As `patchComponents`; the ids alone. */
export async function patchComponentIds(
  store: Store,
  patches: ComponentPatches,
  at: string,
): Promise<readonly string[]> {
  if (!('filters' in patches)) return patchComponents(store, patches, at, ({ id }) => id);
  return store.components.patchAll(patches.filters, fromComponentBody(patches.patch), at);
}

type ToResult<T> = (component: Component) => T;

export async function findComponent(store: Store, id: string): Promise<ComponentView> {
  const found = await store.components.find(id);
  if (found === undefined) throw missing('Component', id);
  return found;
}

export function putComponents<T>(
  store: Store,
  bodies: readonly ComponentRequest[],
  at: string,
  toResult: ToResult<T>,
): Promise<readonly T[]> {
  return store.components.put(bodies.map(withId), at, toResult);
}

export function patchComponents<T>(
  store: Store,
  patches: ComponentPatches,
  at: string,
  toResult: ToResult<T>,
): Promise<readonly T[]> {
  if ('filters' in patches) {
    const patch = fromComponentBody(patches.patch);
    return store.components.patchMatching(patches.filters, patch, at, toResult);
  }
  return store.components.patch(patches.map(withId), at, toResult);
}

/** The id of the path counts, whatever the body says. */
export async function putComponent<T>(
  store: Store,
  body: ComponentRequest & { readonly id: string },
  at: string,
  toResult: ToResult<T>,
): Promise<T> {
  const [result] = await putComponents(store, [body], at, toResult);
  return result as T;
}

export async function patchComponent<T>(
  store: Store,
  body: ComponentRequest & { readonly id: string },
  at: string,
  toResult: ToResult<T>,
): Promise<T> {
  const [result] = await patchComponents(store, [body], at, toResult);
  return result as T;
}

function withId(body: ComponentRequest, index: number) {
  const { id } = body;
  if (id === undefined) {
    throw invalid(`The member is required - '${index}.id'`, 'Error parsing the data provided.');
  }
  return { id, ...fromComponentBody(body) };
}
