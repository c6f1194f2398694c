/** Where a row's server stands, and what stands behind it. */
export interface Place {
  readonly port: number
  /** The base address of the upstream, without `/v1`. */
  readonly upstream: string
  /** One that answers 503 to everything. */
  readonly broken: string
}

/** Connections that wait to be accepted: more than any load opens at once. */
export const backlog = 4096
