export interface Page<T> {
  readonly items: readonly T[];
  /** Whether a further matching record exists. */
  readonly hasMore: boolean;
}

export interface PageRequest {
  readonly limit: number;
  /** Exclusive; need not exist. */
  readonly afterId?: string;
}
