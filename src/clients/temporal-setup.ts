import type { Connection } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType } from '@temporalio/common/lib/search-attributes.js';
import { searchAttributes } from '../workflows/messages.js';

/**
 * Registers the search attributes that are missing, so that no start is refused for them. Where this may not be done, or
 * one is there with another type, throws an error that names them and says what to type.
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
