import { toAskedPassthrough } from '../core/check-mode.js';
import { invalid, isServiceError, taken, type ServiceError } from '../core/errors.js';
import { toJobId } from '../core/names.js';
import type { Options } from '../core/options.js';
import type { Session, SessionRequest } from '../core/session.js';
import type { NewSession, Store } from '../store/store.js';
import type { ApiDependencies } from './dependencies.js';
import { checkPassthrough } from './passthrough.js';
import {
  checkCheckMode,
  checkImages,
  checkTarget,
  isDebugConfiguration,
  noImageService,
} from './session-rules.js';
import { fromSessionCreate, type SessionBody } from './wire/session-request.js';

export interface CreateRules {
  /** Whether `debug_<playbook>` needs no stored configuration. */
  readonly knowsDebugPlaybooks: boolean;
}

/** Stores a new session. Returns it with the options that were read for it, so that the caller need not read them again. */
export async function createSession(
  deps: ApiDependencies,
  body: SessionBody,
  rules: CreateRules,
): Promise<{ readonly session: Session; readonly options: Options }> {
  const { store } = deps;
  const [isKnown, options] = await Promise.all([
    isKnownConfiguration(store, body.configuration_name, rules),
    store.options.get(),
  ]);
  const request = fromSessionCreate(body, options.defaultAnsibleConfig);
  return { session: await insertSession(deps, { request }, isKnown), options };
}

/** A new session that follows from an earlier one: a retry, or the application of a check. */
export type Repetition = Pick<NewSession, 'request' | 'done' | 'snapshot'>;

/**
 * Stores a session that follows from an earlier one, by the rules of v3. If its name is taken, throws what `toTaken` returns,
 * or the usual fault if that is undefined.
 */
export async function repeatSession(
  deps: ApiDependencies,
  session: Repetition,
  toTaken: () => ServiceError | undefined,
): Promise<Session> {
  const { configurationName } = session.request;
  const rules = { knowsDebugPlaybooks: true };
  const isKnown = await isKnownConfiguration(deps.store, configurationName, rules);
  return insertSession(deps, session, isKnown).catch((error: unknown) => {
    throw isServiceError(error) && error.fault === 'conflict' ? (toTaken() ?? error) : error;
  });
}

async function insertSession(
  deps: ApiDependencies,
  session: Repetition,
  isKnown: boolean,
): Promise<Session> {
  const { store, now, newSuffix, isExternal = false } = deps;
  const { name } = session.request;
  try {
    checkRequest(deps, session.request, isKnown);
  } catch (fault) {
    // CFS checks the name first. If there is no other fault, the insert finds out whether the name is taken.
    if ((await store.sessions.find(name)) !== undefined) throw taken('session', name);
    throw fault;
  }
  return store.sessions.insert({
    jobId: toJobId(name, newSuffix()),
    ...session,
    createdAt: now(),
    external: isExternal,
  });
}

/** Refuses requests that cannot run. The checks are in the order of CFS. */
function checkRequest(
  { isExternal = false, customizesImages = false }: ApiDependencies,
  request: SessionRequest,
  isKnown: boolean,
): void {
  const { configurationName, target } = request;
  if (!isKnown) {
    throw invalid(
      `No configurations exist named ${configurationName} - 'configuration_name'`,
      'Invalid configuration',
    );
  }
  checkTarget(target);
  checkCheckMode(request, isExternal);
  // An external operator customizes the images of its sessions itself.
  if (target.definition === 'image' && !isExternal) {
    if (!customizesImages) throw noImageService();
    checkImages(target);
  }
  checkPassthrough(toAskedPassthrough(request));
}

async function isKnownConfiguration(
  store: Store,
  name: string,
  { knowsDebugPlaybooks }: CreateRules,
): Promise<boolean> {
  if (knowsDebugPlaybooks && isDebugConfiguration(name)) return true;
  return (await store.configurations.find(name)) !== undefined;
}
