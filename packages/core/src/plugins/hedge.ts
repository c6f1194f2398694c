import { systemClock } from '../clock.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import { type Plugin, type TryCandidate, definePlugin } from '../plugin.ts'
import { createRetryBudget } from '../retry/budget.ts'
import { sleep } from '../sleep.ts'
import { tryInTurn } from '../try-in-turn.ts'
import type { Call, Ranked, Reply } from '../types.ts'

/** When a second model is started, and how often that may be done. */
export interface HedgeOptions {
  /** How long the first model has before the second is started, in milliseconds. Give this or `percentile`. */
  readonly afterMs?: number
  /** The same as a percentile of the last 200 first answers, from 50 to 99. Until 20 are known nothing is hedged. */
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
  const samples: number[] = []

  const delayMs = () => {
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
    async route(call, ranked, attempt) {
      hedges.recordRequest()
      const second = ranked[1]
      const waitMs = delayMs()
      if (!second || waitMs === Infinity) return timed(() => tryInTurn(call, ranked, attempt))
      return race(call, ranked, attempt, waitMs)
    },
  })

  async function timed(run: () => Promise<Reply>): Promise<Reply> {
    const startedMs = clock.now()
    const reply = await run()
    samples.push(clock.now() - startedMs)
    if (samples.length > samplesKept) samples.shift()
    return reply
  }

  async function race(call: Call, ranked: readonly Ranked[], attempt: TryCandidate, waitMs: number): Promise<Reply> {
    const runners: Runner[] = []
    const waiting = new AbortController()
    let decided = false

    const start = async (candidate: Ranked): Promise<Runner> => {
      const stop = new AbortController()
      const runner = { stop, reply: timed(() => attempt(candidate, { mayWait: false, signal: stop.signal })) }
      runners.push(runner)
      await runner.reply
      return runner
    }
    const startSecond = async (): Promise<Runner> => {
      await sleep(waitMs, waiting.signal, clock)
      if (decided || !hedges.tryTake()) throw new SignalboxError('cancelled', 'No second model is started')
      return start(ranked[1]!)
    }
    const first = start(ranked[0]!).catch((error: unknown) => {
      if (runners.length === 1) waiting.abort()
      throw error
    })
    try {
      const winner = await Promise.any([first, startSecond()])
      for (const runner of runners) if (runner !== winner) drop(runner)
      return await winner.reply
    } catch (error) {
      const [cause] = (error as AggregateError).errors as unknown[]
      if (!isSignalboxError(cause) || !cause.movesOn || runners.length === ranked.length) throw cause
      return tryInTurn(call, ranked.slice(runners.length), attempt)
    } finally {
      decided = true
      waiting.abort()
    }
  }
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
