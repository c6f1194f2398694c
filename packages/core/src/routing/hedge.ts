import { systemClock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'
import { type Plugin, type TryCandidate, definePlugin } from '../plugin.ts'
import { createRetryBudget } from '../retry/budget.ts'
import { sleep } from '../sleep.ts'
import { tryInTurn } from './try-in-turn.ts'
import type { Reply } from '../types.ts'
import type { Ranked } from '../strategies/strategy.ts'

/** When a second model is started, and how often that may be done. */
export interface HedgeOptions {
  /** How long the first model has before the second is started, in milliseconds. Give this or `percentile`. */
  readonly afterMs?: number
  /**
   * The same as a percentile, from 50 to 99, of the last 200 first answers: of streams apart from whole ones. Until 20 are
   * known nothing is hedged.
   */
  readonly percentile?: number
  /** The share of calls that may be hedged. @default 0.05 */
  readonly budget?: number
}

const samplesKept = 200
const samplesNeeded = 20

/**
 * A plugin that starts a second model when the first is slow to its first content; the first of the two to have content
 * answers, and the other is cancelled: its attempt ends as `cancelled` in the record and the events.
 *
 * @throws SignalboxError `invalid_config`
 * @example
 * createRouter({ models, routes, plugins: [hedge({ percentile: 95, budget: 0.05 })] })
 */
export function hedge(options: HedgeOptions): Plugin {
  const { afterMs, percentile, budget = 0.05 } = checked(options)
  let clock = systemClock
  let hedges = createRetryBudget({ ratio: budget, minimumPerSecond: 0 }, clock)
  const streamed: number[] = []
  const whole: number[] = []

  const delayMs = (samples: readonly number[]) => {
    if (afterMs !== undefined) return afterMs
    if (samples.length < samplesNeeded) return Infinity
    const sorted = samples.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percentile!) / 100))]!
  }

  return definePlugin({
    name: 'hedge',
    setup(services) {
      clock = services.clock
      hedges = createRetryBudget({ ratio: budget, minimumPerSecond: 0 }, clock)
    },
    route(call, ranked, attempt) {
      hedges.recordRequest()
      const second = ranked[1]
      const samples = call.request.parameters.stream ? streamed : whole
      const waitMs = delayMs(samples)
      const tried: TryCandidate = Object.assign(timed(attempt, samples), { candidates: attempt.candidates })
      if (!second || waitMs === Infinity) return tryInTurn(call, ranked, tried)
      return tryInTurn(call, ranked, hedged(tried, { first: ranked[0]!, second, waitMs }))
    },
  })

  function timed(attempt: TryCandidate, samples: number[]) {
    return async (...which: Parameters<TryCandidate>): Promise<Reply> => {
      const startedMs = clock.now()
      const reply = await attempt(...which)
      samples.push(clock.now() - startedMs)
      if (samples.length > samplesKept) samples.shift()
      return reply
    }
  }

  /** Tries candidates as ever, but the first may be joined by the second, which is then not tried again. */
  function hedged(attempt: TryCandidate, { first, second, waitMs }: Pair): TryCandidate {
    let early: Promise<Reply> | undefined

    async function tryHedged(...[which, how]: Parameters<TryCandidate>): Promise<Reply> {
      const name = typeof which === 'string' ? which : which.name
      if (how?.mayWait !== false) return attempt(which, how)
      if (name === first.name) return race()
      return name === second.name && early ? early : attempt(which, how)
    }

    async function race(): Promise<Reply> {
      const waiting = new AbortController()
      const runners: Runner[] = []
      let isDecided = false
      const start = async (candidate: Ranked): Promise<Runner> => {
        const stop = new AbortController()
        const runner = { stop, reply: attempt(candidate, { mayWait: false, signal: stop.signal }) }
        runners.push(runner)
        await runner.reply
        return runner
      }
      const startSecond = async (): Promise<Runner> => {
        await sleep(waitMs, waiting.signal, clock)
        if (isDecided || !hedges.tryTake()) throw new SignalboxError('cancelled', 'No second model is started')
        const started = start(second)
        early = runners[1]!.reply
        return started
      }
      const stopWaiting = () => (early ? undefined : waiting.abort())
      const started = start(first)
      started.catch(stopWaiting)
      const winner = await Promise.any([started, startSecond()]).catch(() => runners[0]!)
      isDecided = true
      stopWaiting()
      for (const runner of runners) if (runner !== winner) drop(runner)
      return winner.reply
    }

    return Object.assign(tryHedged, { candidates: attempt.candidates })
  }
}

interface Pair {
  readonly first: Ranked
  readonly second: Ranked
  readonly waitMs: number
}

interface Runner {
  readonly reply: Promise<Reply>
  readonly stop: AbortController
}

/** Cancels the one that lost, whether it has an answer by now or not. */
function drop({ reply, stop }: Runner): void {
  stop.abort()
  reply.then(
    (late) => late.cancel(),
    () => undefined,
  )
}

function checked(options: HedgeOptions): HedgeOptions {
  const { afterMs, percentile, budget = 0.05 } = options
  const faults = [
    (afterMs === undefined) === (percentile === undefined) && 'expected either afterMs or percentile',
    afterMs !== undefined &&
      !(afterMs >= 0 && Number.isFinite(afterMs)) &&
      `afterMs: expected milliseconds from 0, got ${afterMs}`,
    percentile !== undefined &&
      !(percentile >= 50 && percentile <= 99) &&
      `percentile: expected 50 to 99, got ${percentile}`,
    !(budget > 0 && budget <= 1) && `budget: expected a share above 0 and up to 1, got ${budget}`,
  ].filter((fault) => fault !== false)
  if (faults.length === 0) return options
  throw new SignalboxError(
    'invalid_config',
    ['The configuration has a fault:', ...faults.map((fault) => `  hedge: ${fault}`)].join('\n'),
  )
}
