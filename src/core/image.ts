/** What a session needs to know about an image. */
export interface Image {
  readonly id: string;
  readonly name: string;
}

export interface ImageAddress {
  readonly host: string;
  readonly port: number;
}

/** An IMS job, which customizes one image. */
export interface ImageJob {
  readonly id: string;
  readonly imageId: string;
  /** As IMS tells it. One that a newer IMS has added means neither that the job waits for its user nor that it is over. */
  readonly status: string;
  /** Where the image's root is reached over SSH. Known from the first answer on, long before anything listens there. */
  readonly address?: ImageAddress;
  /** The new image. Set during packaging, before the status is `success`. */
  readonly resultId?: string;
  /** Why the job has failed, in one line without a full stop. Our own image service tells it; IMS has it only in its log. */
  readonly message?: string;
}

/** ECDSA P-256. Opens the images of one session and nothing else. */
export interface ImageKey {
  readonly privateKey: string;
  /** In the format of a line in `authorized_keys`. */
  readonly publicKey: string;
}

const BEFORE_PACKAGING: readonly string[] = [
  ...['creating', 'fetching_image', 'fetching_recipe', 'waiting_for_repos'],
  ...['building_image', 'waiting_on_user'],
];

export function isBeforePackaging(status: string): boolean {
  return BEFORE_PACKAGING.includes(status);
}

/** Also true of a status that a newer IMS has added. */
export function mayBePackaging(status: string): boolean {
  return !isBeforePackaging(status) && status !== 'error' && status !== 'success';
}

/** A UUID in any of its spellings: with dashes or without, in braces, as a URN, in any letter case. */
export function isImageId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(toDigits(text));
}

/** Spells an id as IMS does, which compares ids as text. Text that is not a UUID is returned as it is. */
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

/** The images of a target's groups in order, each once. */
export function listImageIds(groups: readonly { readonly members: readonly string[] }[]) {
  return [...new Set(groups.flatMap(({ members }) => members.map(toImageId)))];
}

/** The name of a customized image: as `image_map` says, else made of the names of its source and of the session. */
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

/** IMS uses the name, with `.sqsh` appended, as a file name, and would refuse a bad one only after the playbooks have run. */
export function findResultNameFault(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  if (name.includes('/')) return 'must not have a slash';
  if (/\p{Cc}/u.test(name)) return 'must not have control characters';
  const sizeBytes = new TextEncoder().encode(name).length;
  return sizeBytes > MAX_RESULT_NAME ? `has at most ${MAX_RESULT_NAME} bytes` : undefined;
}

/** Name of the session's key in IMS. IMS accepts the same name twice, so this one says whose key it is. */
export function toKeyName(sessionName: string, jobId: string, deploymentId: string): string {
  return `cfs_${sessionName}_${jobId}_${deploymentId}`;
}

/** Name of the container of each of the session's IMS jobs, by which the jobs are found again. */
export function toContainerName(jobId: string, deploymentId: string): string {
  return `${jobId}.${deploymentId}`;
}

/** The job id in a container or key name; undefined if the name does not belong to this deployment. */
export function findOwner(name: string, deploymentId: string): string | undefined {
  const container = `.${deploymentId}`;
  if (name.endsWith(container)) return name.slice(0, -container.length);
  const key = `_${deploymentId}`;
  if (!name.startsWith('cfs_') || !name.endsWith(key)) return undefined;
  // Job ids contain no underscore.
  return name.slice(0, -key.length).split('_').at(-1);
}
