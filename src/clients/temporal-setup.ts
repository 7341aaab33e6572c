import type { Connection } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType } from '@temporalio/common/lib/search-attributes.js';
import { searchAttributes } from '../workflows/messages.js';

/**
 * Registers missing search attributes, without which Temporal would refuse to start sessions. If that is not allowed, the
 * error gives the command to run. An attribute that has another type is an error, too.
 */
export async function registerSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<void> {
  const wanted = Object.values(searchAttributes);
  const { customAttributes } = await connection.operatorService.listSearchAttributes({
    namespace,
  });
  const keyword = encodeSearchAttributeIndexedValueType('KEYWORD');
  if (keyword === undefined) throw new Error('The Temporal client does not know the type Keyword.');
  const wrong = wanted.filter(({ name }) => (customAttributes[name] ?? keyword) !== keyword);
  if (wrong.length > 0) {
    throw new Error(
      `Temporal has search attributes of another type than Keyword: ${toNames(wrong)}.`,
    );
  }
  const missing = wanted.filter(({ name }) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name }) => [name, keyword])),
    });
  } catch (cause) {
    const command = missing.map(({ name }) => `--name ${name} --type Keyword`).join(' ');
    throw new Error(
      `Temporal lacks search attributes and does not let us add them: ${toNames(missing)}. Type: temporal operator search-attribute create --namespace ${namespace} ${command}`,
      { cause },
    );
  }
}

function toNames(keys: readonly { readonly name: string }[]): string {
  return keys.map(({ name }) => name).join(', ');
}
