import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { EventBus } from '../events.ts'
import type { Attempt } from '../types.ts'

/** Where exchanges go, and what they need: the same for all of a model in one dialect. */
export interface ExchangeOptions {
  readonly dialect: Dialect
  readonly dispatcher: () => Dispatcher
  /** A connection that nobody has used before. Absent where the host gave its own dispatcher. */
  readonly fresh: (() => Dispatcher) | undefined
  readonly origin: string
  readonly path: string
  readonly headers: (attempt: Attempt) => Outgoing | Promise<Outgoing>
  readonly maxResponseBytes: number
  /** Takes the headers of every answer, and when its request was sent, for what they say of the provider's limits. */
  readonly onHeaders: (headers: UpstreamHeaders, sentMs: number) => void
  readonly clock: Clock
  readonly events: EventBus
}

/** The headers of a request, and which of their values nobody may see. */
export interface Outgoing {
  readonly headers: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
}

/** Headers by lower-case name, as undici gives them. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>
