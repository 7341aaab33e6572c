import { toImageId, type ImageAddress } from './image.js';
import { toReadable, toRendered, toSpecDocument, type RenderedInventory } from './inventory.js';
import type { TargetGroup } from './session.js';

/** Next to Ansible's configuration file, because the path of the workspace is not known here. */
const IMAGE_KEY_FILE = '{{ ansible_config_file | dirname }}/ssh/id_image';

/** Each image is a host, named by its id, in `cfs_image` and in its groups. Ansible connects as root, as IMS requires. */
export function renderImageInventory(
  groups: readonly TargetGroup[],
  addresses: ReadonlyMap<string, ImageAddress>,
): RenderedInventory {
  const named = groups.map(({ name, members }) => ({ name, members: members.map(toImageId) }));
  const { document } = toSpecDocument(named);
  const hosts = Object.fromEntries(
    [...addresses].map(([id, { host, port }]) => [
      id,
      {
        ansible_host: host,
        ansible_port: port,
        ansible_python_interpreter: '/usr/bin/env python3',
        ansible_ssh_private_key_file: IMAGE_KEY_FILE,
        cray_cfs_image: true,
      },
    ]),
  );
  const given = document['cfs_image']?.hosts ?? {};
  const all = { ...document, cfs_image: { hosts: { ...given, ...hosts } } };
  return toRendered(toReadable(all), new Map([['cfs_image', [...addresses.keys()]]]), []);
}
