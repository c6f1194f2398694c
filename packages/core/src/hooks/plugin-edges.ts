import type { Identity } from '../types.ts'
import type { Router } from '../router.ts'

/** A request for a path of a plugin's. */
export interface PluginRequest {
  readonly method: string
  /** What stands behind the path where that ends in `/*`, else empty. */
  readonly rest: string
  /** What stands behind `?`. */
  readonly query: URLSearchParams
  /** A header's value by its lower-case name. */
  header(name: string): string | undefined
  /** The body: its bytes, or what a host's parser made of them. */
  body(): Uint8Array | object | Promise<Uint8Array | object>
  /** Who asks, as the host says it. */
  readonly identity: Identity
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal
}

/** What a plugin answers on a path of its own. An object goes out as JSON, and what is iterated piece by piece. */
export interface PluginAnswer {
  /** @default 200 */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body: object | string | Uint8Array | AsyncIterable<Uint8Array>
}

/** A path that a plugin answers, below `/plugins/NAME`. */
export interface PluginPath {
  /** @default 'GET' */
  readonly method?: string | undefined
  /** Such as `/report`; `/report/*` takes everything below. */
  readonly path: string
  /** Who may ask: those whom the host's `authorise` lets see the router's pages, or every caller. @default 'operator' */
  readonly access?: 'operator' | 'caller' | undefined
  answer(request: PluginRequest): PluginAnswer | Promise<PluginAnswer>
}

/** What a command of a plugin is run with. */
export interface CommandContext {
  /** The words behind the command. */
  readonly args: readonly string[]
  /** The router of the configuration. It is closed afterwards. */
  readonly router: Router
  /** Writes a line to stdout. */
  print(line: string): void
}

/** A command of a plugin's for `signalbox NAME COMMAND`. */
export interface PluginCommand {
  /** One line for `--help`. */
  readonly summary: string
  /** Runs it. The number it gives is what the process exits with. @default 0 */
  run(context: CommandContext): number | void | Promise<number | void>
}
