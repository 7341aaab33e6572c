import { invalid } from '../core/errors.js';
import type { Target } from '../core/session.js';

/** Playbooks that come with the service; a session names one as `debug_<name>`. */
const DEBUG_PLAYBOOKS = ['noop', 'facts', 'fail'];

export function isDebugConfiguration(name: string): boolean {
  return DEBUG_PLAYBOOKS.some((playbook) => name === `debug_${playbook}`);
}

/** What a target may hold; fault `invalid` names the member. */
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
  if (definition === 'image') {
    throw invalid(`Image targets are not supported by this version - 'target.definition'`);
  }
}
