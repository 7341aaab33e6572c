import { toImageId, type ImageAddress } from './image.js';
import { toReadable, toRendered, toSpecDocument, type RenderedInventory } from './inventory.js';
import type { TargetGroup } from './session.js';

/** Beside the configuration that Ansible uses, wherever the workspace lies. */
const IMAGE_KEY_FILE = '{{ ansible_config_file | dirname }}/ssh/id_image';

/** Every image is a host of that name in `cfs_image`, and in the groups of the request; Ansible comes as root (contract of IMS). */
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
