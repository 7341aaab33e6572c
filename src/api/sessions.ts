import { invalid, ServiceError } from '../core/errors.js';
import { toJobId } from '../core/names.js';
import type { Session } from '../core/session.js';
import type { Store } from '../store/store.js';
import type { ApiDependencies } from './dependencies.js';
import { checkPassthrough } from './passthrough.js';
import { checkImages, checkTarget, isDebugConfiguration, noImageService } from './session-rules.js';
import { fromSessionCreate, type SessionBody } from './wire/session-request.js';

export interface CreateRules {
  /** Whether `debug_<playbook>` needs no stored configuration. */
  readonly knowsDebugPlaybooks: boolean;
}

/** The checks come in CFS's order; the insert decides about the name once more, for those who ask at the same time. */
export async function createSession(
  { store, now, newSuffix, isExternal = false, customizesImages = false }: ApiDependencies,
  body: SessionBody,
  rules: CreateRules,
): Promise<Session> {
  const [taken, isKnown, { defaultAnsibleConfig }] = await Promise.all([
    store.sessions.find(body.name),
    isKnownConfiguration(store, body.configuration_name, rules),
    store.options.get(),
  ]);
  if (taken !== undefined) {
    throw new ServiceError('conflict', `A session with the name ${body.name} already exists`, {
      title: 'Conflicting session name',
    });
  }
  if (!isKnown) {
    throw invalid(
      `No configurations exist named ${body.configuration_name} - 'configuration_name'`,
      'Invalid configuration',
    );
  }
  const request = fromSessionCreate(body, defaultAnsibleConfig);
  checkTarget(request.target);
  // Of those of an operator outside nothing is made here.
  if (request.target.definition === 'image' && !isExternal) {
    if (!customizesImages) throw noImageService();
    checkImages(request.target);
  }
  checkPassthrough(request.ansiblePassthrough ?? '');
  return store.sessions.insert({
    jobId: toJobId(request.name, newSuffix()),
    request,
    createdAt: now(),
    external: isExternal,
  });
}

async function isKnownConfiguration(
  store: Store,
  name: string,
  { knowsDebugPlaybooks }: CreateRules,
): Promise<boolean> {
  if (knowsDebugPlaybooks && isDebugConfiguration(name)) return true;
  return (await store.configurations.find(name)) !== undefined;
}

/** Lists of v2 have no pages: what does not fit into one is refused. */
export function refuseMore(hasMore: boolean, limit: number): void {
  if (!hasMore) return;
  throw invalid(
    `More than ${limit} records match, the limit of the option default_page_size. Ask for fewer, or use v3.`,
    'The response size is too large',
  );
}
