/** What a session needs of an image, of the service that holds it. */
export interface Image {
  readonly id: string;
  readonly name: string;
}

export type ImageJobStatus =
  | 'creating'
  | 'fetching_image'
  | 'fetching_recipe'
  | 'waiting_for_repos'
  | 'building_image'
  | 'packaging_artifacts'
  | 'waiting_on_user'
  | 'error'
  | 'success';

export interface ImageAddress {
  readonly host: string;
  readonly port: number;
}

/** One image that is being customized. */
export interface ImageJob {
  readonly id: string;
  readonly imageId: string;
  readonly status: ImageJobStatus;
  /** Where its root is reached over SSH, from the first answer on: long before anything listens there. */
  readonly address?: ImageAddress;
  /** Set while it is packaged, before `success`. */
  readonly resultId?: string;
}

/** ECDSA P-256, one line each but for the PEM. Opens the images of one session and nothing else. */
export interface ImageKey {
  readonly privateKey: string;
  /** A line as `authorized_keys` has it. */
  readonly publicKey: string;
}

/** A UUID in any of its spellings: with dashes or without, in braces, as a URN, in any letter case. */
export function isImageId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(toDigits(text));
}

/** As the image management service writes it, which compares ids as text. What is no UUID stays as it is. */
export function toImageId(text: string): string {
  if (!isImageId(text)) return text;
  const [, ...parts] = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(toDigits(text)) ?? [];
  return parts.join('-');
}

function toDigits(text: string): string {
  return text
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/^\{(.*)\}$/, '$1')
    .replaceAll('-', '');
}

/** The images of a target's groups, each once, in the order in which they come. */
export function listImageIds(groups: readonly { readonly members: readonly string[] }[]) {
  return [...new Set(groups.flatMap(({ members }) => members.map(toImageId)))];
}

/** What a customized image is called: the session's `image_map` decides, else the source's name and the session's. */
export function toResultName(
  image: Image,
  sessionName: string,
  imageMap: readonly { readonly sourceId: string; readonly resultName: string }[] = [],
): string {
  const mapped = imageMap.find(({ sourceId }) => toImageId(sourceId) === image.id);
  return mapped?.resultName ?? `${image.name}_cfs_${sessionName}`;
}

/** In bytes. */
const MAX_RESULT_NAME = 250;

/** IMS makes a file of the name, with `.sqsh` behind it, and says that it cannot only when the playbooks are over. */
export function findResultNameFault(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  if (name.includes('/')) return 'must not have a slash';
  if (/\p{Cc}/u.test(name)) return 'must not have control characters';
  const sizeBytes = new TextEncoder().encode(name).length;
  return sizeBytes > MAX_RESULT_NAME ? `has at most ${MAX_RESULT_NAME} bytes` : undefined;
}

/** Name of the key record. IMS takes a name twice, so this one says whose it is. */
export function toKeyName(sessionName: string, jobId: string, deploymentId: string): string {
  return `cfs_${sessionName}_${jobId}_${deploymentId}`;
}

/** Name of the container of each image's job, by which the job is found again. */
export function toContainerName(jobId: string, deploymentId: string): string {
  return `${jobId}.${deploymentId}`;
}

/** The job id of a container or key name of this deployment; undefined: it is not ours. */
export function findOwner(name: string, deploymentId: string): string | undefined {
  const container = `.${deploymentId}`;
  if (name.endsWith(container)) return name.slice(0, -container.length);
  const key = `_${deploymentId}`;
  if (!name.startsWith('cfs_') || !name.endsWith(key)) return undefined;
  // Neither a session's name nor a job id that was made of it has an underscore in its drawn part.
  return name.slice(0, -key.length).split('_').at(-1);
}
