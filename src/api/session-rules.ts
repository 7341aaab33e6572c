import { invalid, type ServiceError } from '../core/errors.js';
import { findResultNameFault, isImageId, listImageIds } from '../core/image.js';
import type { SessionRequest, Target, TargetGroup } from '../core/session.js';

/** The most names that a message lists. */
const MAX_NAMED = 10;
/** Limited, because IMS opens each image in a pod of its own. */
const MAX_IMAGES = 100;

/** Playbooks that come with the service. A session requests one as configuration `debug_<name>`. */
const DEBUG_PLAYBOOKS = ['noop', 'facts', 'fail'];

export function isDebugConfiguration(name: string): boolean {
  return DEBUG_PLAYBOOKS.some((playbook) => name === `debug_${playbook}`);
}

/** Checks the groups of a target; the fault names the wrong member. */
export function checkTarget({ definition, groups = [] }: Target): void {
  const mayHaveGroups = definition === 'spec' || definition === 'image';
  if (!mayHaveGroups && groups.length > 0) {
    throw invalid(`A ${definition} target must not contain groups - 'target.groups'`);
  }
  if (mayHaveGroups && groups.length === 0) {
    throw invalid(`At least one target group must be specified - 'target.groups'`);
  }
  groups.forEach(({ members }, index) => {
    const member = `target.groups.${index}.members`;
    if (members.length === 0) throw invalid(`Member lists must not be empty - '${member}'`);
    const blank = members.indexOf('');
    if (blank >= 0) throw invalid(`Members must not be blank - '${member}.${blank}'`);
  });
  if (definition === 'image') checkImageIds(groups);
}

/** Refuses check mode where it would have no effect. */
export function checkCheckMode(
  { checkMode, target }: Pick<SessionRequest, 'checkMode' | 'target'>,
  isExternal: boolean,
): void {
  if (checkMode !== true) return;
  if (isExternal)
    throw invalid(
      `With RUNNER=none an external operator runs sessions. It does not know check mode, so it would apply this one - 'check_mode'`,
    );
  if (target.definition === 'image')
    throw invalid(
      `Check mode makes no image. Customize the image without it, which does not change the source image, and examine the result - 'check_mode'`,
    );
}

function checkImageIds(groups: readonly TargetGroup[]): void {
  const wrong = groups.flatMap(({ name, members }) =>
    members.filter((member) => !isImageId(member)).map((member) => `(${name}, ${member})`),
  );
  if (wrong.length === 0) return;
  const some = wrong.slice(0, MAX_NAMED).join(', ');
  const more = wrong.length > MAX_NAMED ? ` and ${wrong.length - MAX_NAMED} more` : '';
  throw invalid(
    `Members of an image target must be UUIDs of images: ${some}${more} - 'target.groups'`,
  );
}

/** Refuses what the image management service could not do, before anything starts. */
export function checkImages({ groups = [], imageMap = [] }: Target): void {
  const images = listImageIds(groups).length;
  if (images > MAX_IMAGES)
    throw invalid(
      `A session can customize at most ${MAX_IMAGES} images, not ${images} - 'target.groups'`,
    );
  imageMap.forEach(({ resultName }, index) => {
    const member = `target.image_map.${index}.result_name`;
    const fault = findResultNameFault(resultName);
    if (fault !== undefined) throw invalid(`The name of an image ${fault} - '${member}'`);
  });
}

export function noImageService(): ServiceError {
  return invalid(
    `Image targets need an image management service, and none is configured: IMS_URL - 'target.definition'`,
  );
}
