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

/** One image that is being customized. */
export interface ImageJob {
  readonly id: string;
  readonly imageId: string;
  readonly status: ImageJobStatus;
  /** Where its root is reached over SSH, from the first answer on: long before anything listens there. */
  readonly address?: { readonly host: string; readonly port: number };
  /** Set while it is packaged, before `success`. */
  readonly resultId?: string;
}

/** What a customized image is called: the session's `image_map` decides, else the source's name and the session's. */
export function toResultName(
  image: Image,
  sessionName: string,
  imageMap: readonly { readonly sourceId: string; readonly resultName: string }[] = [],
): string {
  const mapped = imageMap.find(({ sourceId }) => sourceId === image.id);
  return mapped?.resultName ?? `${image.name}_cfs_${sessionName}`;
}

/** Of the key record: IMS takes names twice, so this one names whose it is. */
export function toKeyName(sessionName: string, jobId: string, deploymentId: string): string {
  return `cfs_${sessionName}_${jobId}_${deploymentId}`;
}

/** Of the container of each image's job, by which it is found again. */
export function toContainerName(jobId: string, deploymentId: string): string {
  return `${jobId}.${deploymentId}`;
}
