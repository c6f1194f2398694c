import type { Dispatcher } from 'undici'
import type { CacheOptions, CacheSettings } from '../cache/settings.ts'
import type { Clock, Random } from '../clock.ts'
import type { Plugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import type { VendorName } from '../providers/quirks.ts'
import type { Logger, Modality } from '../types.ts'
import type { RankFunction, Strategy } from '../strategies/strategy.ts'
import type { KeySource } from '../keys/settings.ts'
import type { BudgetSettings } from '../money/budget.ts'
import type { UnknownPricePolicy } from '../money/price-book.ts'
import type { PriceSettings } from '../money/price.ts'
import type { LimitRule, LimitSettings, ModelLimits, TierLimits } from './limits.ts'
import type { BreakerSettings, HealthSettings, RetrySettings, TimeoutSettings } from './defaults.ts'

/** A key, or a function that is asked for it before each attempt: for keys that rotate. It should cache by itself. */
export type ApiKey = string | (() => string | Promise<string>)

/** How a model that fails is kept out, and how it is judged: at the top, on a route, or on a model. */
interface UptimeOptions {
  readonly breaker?: Partial<BreakerSettings> | false | undefined
  readonly health?: HealthSettings | false | undefined
}

/** What every model may say, whatever its provider. */
export interface CommonModelOptions extends UptimeOptions {
  /** The provider's name for it. Default: its name in the configuration. */
  readonly model?: string | undefined
  readonly apiKey?: ApiKey | undefined
  /** Headers sent with every request to it. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Its share under weighted strategies. @default 1 */
  readonly weight?: number | undefined
  readonly tags?: readonly string[] | undefined
  /** A total for it, and for the tier it shares with others. @default unlimited */
  readonly limits?: ModelLimits | false | undefined
  /** What fails together with it. Default: base URL and key. */
  readonly domain?: string | undefined
  /** Whether it thinks before it speaks, and so gets longer time limits. @default false */
  readonly reasoning?: boolean | undefined
  /** The tokens it can read and write in one call. Default: not known, and so not checked. */
  readonly contextWindow?: number | undefined
  /** USD per million tokens, or `false` for a model that costs nothing. Default: the public list's. */
  readonly price?: PriceSettings | false | undefined
  /** The tokens it can write in one call. Default: not known. */
  readonly maxOutputTokens?: number | undefined
  /** Whether it can call tools. @default not known, and so not checked */
  readonly tools?: boolean | undefined
  /** What it can read besides text. @default not known, and so not checked */
  readonly modalities?: readonly Exclude<Modality, 'text'>[] | undefined
  readonly retry?: Partial<Omit<RetrySettings, 'maxAttemptsPerCall'>> | false | undefined
  readonly timeouts?: Partial<Omit<TimeoutSettings, 'callMs'>> | false | undefined
  /** An undici dispatcher in place of the router's own connection pool. The host closes it. */
  readonly dispatcher?: Dispatcher | undefined
}

/** A model at OpenAI. */
export interface OpenAiModelOptions extends CommonModelOptions {
  readonly provider: 'openai'
  /** @default 'https://api.openai.com/v1' */
  readonly baseUrl?: string | undefined
  /** The one dialect in which it takes chat: some models are served in one only. @default all of OpenAI's */
  readonly dialect?: ChatDialect | undefined
}

/** A dialect of OpenAI's for chat. */
export type ChatDialect = 'openai-chat' | 'openai-responses'

/** A model behind any endpoint that speaks OpenAI's chat completions. */
export interface OpenAiCompatibleModelOptions extends CommonModelOptions {
  readonly provider: 'openai-compatible'
  /**
   * Where `/chat/completions` is found, such as `https://api.deepseek.com/v1`. On Azure it may be the resource, with its
   * `?api-version=`: the deployment is then named by `model`.
   */
  readonly baseUrl: string
  /** The one dialect in which it takes chat. @default 'openai-chat' */
  readonly dialect?: ChatDialect | undefined
  /** Whose endpoint it is, where its host does not tell. */
  readonly vendor?: VendorName | undefined
}

/** A model at Anthropic. */
export interface AnthropicModelOptions extends CommonModelOptions {
  readonly provider: 'anthropic'
  /** @default 'https://api.anthropic.com/v1' */
  readonly baseUrl?: string | undefined
}

/** A model behind a provider of one's own. */
export interface CustomModelOptions extends CommonModelOptions {
  readonly provider: Provider
}

/** An entry that can serve a call. Two keys or regions of one model are two entries. */
export type ModelOptions =
  | OpenAiModelOptions
  | AnthropicModelOptions
  | OpenAiCompatibleModelOptions
  | CustomModelOptions

/** A name that callers ask for, and what stands behind it. */
export interface RouteOptions extends UptimeOptions {
  /** How its models are ordered: a name, a name with options, a strategy, or a rank function. @default 'ordered' */
  readonly strategy?:
    | string
    | { readonly use: string; readonly [option: string]: unknown }
    | Strategy
    | RankFunction
    | undefined
  /** @default the models that its strategy names, where it names any */
  readonly models?: readonly (string | { readonly model: string; readonly weight?: number | undefined })[] | undefined
  /** The most that one call may cost with all its attempts, in US dollars. @default unbounded */
  readonly maxCostUsd?: number | undefined
  /** A total for the route. @default unlimited */
  readonly limits?: LimitSettings | false | undefined
  /** Models tried, in this order, after all of the above. */
  readonly fallback?: readonly string[] | undefined
  /** What differs on this route, where the router has a cache; `false` for none. */
  readonly cache?: Partial<CacheSettings> | false | undefined
  /** Plugins for the calls of this route alone. They stand where they would among all others. */
  readonly plugins?: readonly Plugin[] | false | undefined
  readonly retry?: Partial<RetrySettings> | false | undefined
  readonly timeouts?: Partial<Omit<TimeoutSettings, 'connectMs'>> | false | undefined
}

/** What the log line of a call holds besides the usual: its prompt and its answer. */
export interface LogContent {
  /** Takes out what nobody may read: every match of these regular expressions, or what a function takes out. */
  readonly redact: readonly string[] | ((text: string) => string)
  /** The longest text of each, in characters. @default 10000 */
  readonly maxLength?: number | undefined
}
/**
 * What plugins find in the configuration under their own names. Empty here: a plugin adds its key by declaration merging.
 *
 * @example
 * declare module '@signalbox/core' {
 *   interface PluginConfig { region?: { default: string } }
 * }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- merged into by plugins
export interface PluginConfig {}

/** What `createRouter` takes. All of it but functions and objects may stand in a file. */
export interface RouterOptions extends UptimeOptions, PluginConfig {
  readonly $schema?: string | undefined
  readonly version?: 1 | undefined
  readonly models: Readonly<Record<string, ModelOptions>>
  readonly routes?: Readonly<Record<string, RouteOptions>> | undefined
  readonly retry?: Partial<RetrySettings> | false | undefined
  readonly timeouts?: Partial<TimeoutSettings> | false | undefined
  /** Limits for every caller of a kind. @default none */
  readonly limits?: readonly LimitRule[] | false | undefined
  /** Limits that several models share, by name. */
  readonly tiers?: Readonly<Record<string, TierLimits>> | undefined
  /** How many calls may wait for one limit. @default { maximumWaiting: 1000 } */
  readonly queue?: { readonly maximumWaiting?: number | undefined } | undefined
  /** The largest request body in bytes. @default 33554432 */
  readonly maxRequestBytes?: number | undefined
  /** The largest plain answer in bytes; beyond it the attempt fails. @default 33554432 */
  readonly maxResponseBytes?: number | undefined
  /** Whether answers carry `x-signalbox-model`, `-route` and `-attempts`. @default true */
  readonly decisionHeaders?: boolean | undefined
  readonly plugins?: readonly Plugin[] | false | undefined
  /** Whether every call's record and answer (`Server-Timing`) say how long each hook took by itself. @default false */
  readonly hookTimes?: boolean | undefined
  /** Pino's shape; `console` will do. Is told of each call, and of what fails in the host and in plugins. @default none */
  readonly logger?: Logger | undefined
  /** @default the machine's clock */
  readonly clock?: Clock | undefined
  /** @default Math.random */
  readonly random?: Random | undefined
  /** Answers of earlier calls for later ones. @default none */
  readonly cache?: CacheOptions | false | undefined
  /** What may be spent, by whom and in which time. Amounts are US dollars. @default none */
  readonly budgets?: readonly BudgetSettings[] | false | undefined
  /**
   * What is done with a model whose price is in neither the configuration nor the public list, where money counts.
   * Given as `reject` it holds also where no budget and no bound asks for a price.
   * @default 'reject'
   */
  readonly unknownPrice?: UnknownPricePolicy | false | undefined
  /** Whether a budget may limit the output of a request that sets no limit itself. @default true */
  readonly capOutput?: boolean | undefined
  /**
   * API keys that callers show where the host does not say who they are. With any, a call without a valid one is 401.
   * @default none are asked for
   */
  readonly keys?: readonly KeySource[] | false | undefined
  /** Whether answers that are whole carry `x-signalbox-cost`, in US dollars. @default false */
  readonly costHeader?: boolean | undefined
  /**
   * Whether callers may bound what a call may cost themselves, by the header `x-signalbox-max-cost`, in US dollars. Where
   * they may not, a request with it is refused: nobody is to think that it holds.
   * @default false
   */
  readonly maxCostHeader?: boolean | undefined
  /** What the log line of a call holds of its prompt and answer, and what is taken out of it. @default nothing */
  readonly logContent?: LogContent | false | undefined
  /**
   * What is done where a model's dialect has no words for something the caller asks for: `refuse` passes the model over
   * (and answers 400 where none is left), `report` leaves it out and says so in `x-signalbox-dropped`.
   * @default 'refuse'
   */
  readonly untranslatable?: 'refuse' | 'report' | undefined
  /**
   * Where limits and budgets are counted: `memory` for each process by itself, `sqlite:FILE` for all processes of the
   * host that name the same file, on a disk of the host.
   * @default 'memory'
   */
  readonly store?: string | false | undefined
  /** A SQLite file, or `memory`. @default none */
  readonly ledger?: string | false | undefined
  /**
   * Whether the ledger keeps a hash of each request that a cache could answer, so that a report can tell what a cache would
   * have spared. Hashing takes some ten microseconds a KB; whoever has the ledger can tell whether a guess was asked.
   * @default false
   */
  readonly fingerprints?: boolean | undefined
}
