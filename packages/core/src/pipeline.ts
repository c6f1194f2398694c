import type { Admission } from './admission.ts'
import type { AnswerCache } from './call-cache/answer-cache.ts'
import type { ContentLog } from './log-content.ts'
import type { EventBus } from './events.ts'
import type { Ledger } from './ledger/types.ts'
import type { Step } from './order.ts'
import type { Plugin } from './plugin.ts'
import { adaptive } from './plugins/adaptive.ts'
import { admit } from './plugins/admit.ts'
import type { PriceBook } from './money/price-book.ts'
import { breaker } from './plugins/breaker.ts'
import { budget } from './plugins/budget.ts'
import { cache } from './plugins/cache.ts'
import { degrade } from './plugins/degrade.ts'
import { fingerprint } from './plugins/fingerprint.ts'
import { health } from './plugins/health.ts'
import { hold } from './plugins/hold.ts'
import { idempotency } from './plugins/idempotency.ts'
import { ledger } from './plugins/ledger.ts'
import { limiter } from './plugins/limiter.ts'
import { meter } from './plugins/meter.ts'
import { observe } from './plugins/observe.ts'
import { permission } from './plugins/permission.ts'
import { retry } from './plugins/retry.ts'
import { timeout } from './plugins/timeout.ts'
import { translate } from './plugins/translate.ts'
import type { RouteTable } from './routing/route-table.ts'
import type { Treasury } from './treasury.ts'
import type { Call, Services } from './types.ts'

/** What built-in plugins are made with: what every plugin gets at `setup`, and the right to tell of events. */
export interface BuiltInServices extends Services {
  readonly events: EventBus
  readonly admission: Admission
  readonly routes: RouteTable
  /** Answers of earlier calls; undefined where none are kept. */
  readonly cache: AnswerCache | undefined
  /** Ends what is asked behind the back of callers. */
  readonly refreshing: AbortSignal
  /** The key of a call, as a cache makes it; undefined where nobody asks for fingerprints. */
  readonly callKeyOf: ((call: Call) => string) | undefined
  /** Where every call is written, where there is such a thing. */
  readonly ledger: Ledger | undefined
  readonly prices: PriceBook
  /** Whether calls at an unknown price are refused also where no money is counted. */
  readonly rejectsUnknownPrices: boolean
  readonly treasury: Treasury
  /** Writes down prompts and answers for the log, where that is asked for. */
  readonly contentLog: ContentLog | undefined
  /** Whether a hold may limit the output of a request that sets no limit itself. */
  readonly capOutput: boolean
  /** Whether a model is passed over that cannot be told all that the caller asks for. */
  readonly refusesLosses: boolean
}

interface PipelineStep extends Step {
  readonly builtIn?: (services: BuiltInServices) => Plugin
}

/**
 * The whole way of a call, outermost first. A user's plugins are spliced into the step they name, after the built-in one
 * unless they say `enforce` or `before`; those that name none stand outside of all steps of their ring.
 */
export const pipeline: readonly PipelineStep[] = [
  // The call ring: once for a call.
  { ring: 'call', stage: 'observe', builtIn: observe },
  { ring: 'call', stage: 'identify' },
  { ring: 'call', stage: 'guard', builtIn: permission },
  { ring: 'call', stage: 'classify' },
  { ring: 'call', stage: 'cache', builtIn: idempotency },
  { ring: 'call', stage: 'cache', builtIn: cache },
  { ring: 'call', stage: 'cache', builtIn: fingerprint },
  { ring: 'call', stage: 'admit', builtIn: degrade },
  { ring: 'call', stage: 'admit', builtIn: admit },

  // The route stands here: it ranks the models, and enters the attempt ring with each in turn (routing/route.ts).

  // The attempt ring: once for each model that is tried; inside `retry`, once for each attempt.
  { ring: 'attempt', stage: 'retry', builtIn: translate },
  { ring: 'attempt', stage: 'retry', builtIn: retry },
  { ring: 'attempt', stage: 'budget', builtIn: budget },
  { ring: 'attempt', stage: 'limiter', builtIn: hold },
  { ring: 'attempt', stage: 'limiter', builtIn: limiter },
  { ring: 'attempt', stage: 'limiter', builtIn: adaptive },
  { ring: 'attempt', stage: 'breaker', builtIn: breaker },
  { ring: 'attempt', stage: 'timeout', builtIn: timeout },
  { ring: 'attempt', stage: 'meter', builtIn: meter },
  { ring: 'attempt', stage: 'meter', builtIn: health },
  { ring: 'attempt', stage: 'meter', builtIn: ledger },
]

/** The built-in plugins of a router, each in the stage of its line. */
export function builtInPlugins(services: BuiltInServices): readonly Plugin[] {
  return pipeline.flatMap(({ builtIn, ring, stage }) => {
    if (!builtIn) return []
    const plugin = builtIn(services)
    const hook = plugin[ring]
    return [hook ? { ...plugin, [ring]: { ...(typeof hook === 'function' ? { run: hook } : hook), stage } } : plugin]
  })
}
