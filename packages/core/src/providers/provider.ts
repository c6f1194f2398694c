import type { CommonModelOptions } from '../config/options.ts'
import type { EventBus } from '../events.ts'
import type { Attempt, DialectName, Handler, Services } from '../types.ts'
import type { Connections } from './connections.ts'
import type { UpstreamHeaders } from './exchange-options.ts'
import type { Quirks } from './quirks.ts'

/** What a provider is given to make a model of. */
export interface ModelContext extends Services {
  /** The model's name in the configuration. */
  readonly name: string
  readonly events: EventBus
  readonly connections: Connections
  readonly connectMs: number
  readonly maxResponseBytes: number
  /** Takes the headers of every answer, and when its request was sent, for what they say of the provider's limits. */
  readonly onHeaders: (headers: UpstreamHeaders, sentMs: number) => void
}

/** A model, ready to be called. */
export interface ConnectedModel {
  /** What fails together with it, unless the configuration says otherwise. */
  readonly domain: string
  /** The wire formats of this very model, where they differ from the provider's. */
  readonly dialects?: readonly DialectName[]
  /** In what its provider differs from the first of them. */
  readonly quirks?: Quirks | undefined
  /**
   * Sends one attempt. An answer that is not there by its `deadline` is given up, and another model may take over. A stream
   * that gives nothing for `stallMs` while somebody reads, or goes on beyond the call's deadline, is cut. The attempt's signal
   * is aborted then, as when the caller leaves. A reply that says nothing of its end is charged for what came of it.
   *
   * @throws SignalboxError for what another model may do better. Whatever else is thrown ends the call.
   */
  readonly send: Handler<Attempt>
  /**
   * Asks the provider a question that costs nothing: is it there, and does it take the key?
   *
   * @throws SignalboxError that says what is wrong
   */
  verify?(options: { readonly path?: string; readonly signal: AbortSignal }): Promise<void>
}

/** Makes models out of configuration entries. */
export interface Provider<Options = CommonModelOptions> {
  readonly name: string
  /**
   * The wire format it is spoken to in, or several: what comes in one of them goes on as it is, all else is translated
   * into the first.
   */
  readonly dialect: DialectName | readonly DialectName[]
  /** Where it is found, unless a model says otherwise. */
  readonly baseUrl?: string
  connect(options: Options, context: ModelContext): ConnectedModel
}
