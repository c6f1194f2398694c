import { type LedgerAttempt, type LedgerCall, type RouterOptions, openLedger, usdOf } from '@signalbox/core'
import type { TailOptions } from './arguments.ts'
import { nextSignal } from './signals.ts'
import { printable } from './table.ts'
import { print } from './terminal.ts'

const pollMs = 500
/** By then a call that ended is in the ledger. */
const longestWriteMs = 10_000
/** Others, of a process that died, are looked for only now and then, and no longer after they began. */
const searchedMs = 900_000
const pollsPerSearch = 60
/** What is looked through for calls without a limit of time. */
const dayMs = 86_400_000

/** Shows the last calls of a ledger and then each new one, until a signal comes or the ledger cannot be read. */
export async function tail(config: RouterOptions, { lines, json }: TailOptions): Promise<void> {
  const ledger = openLedger(config)
  const shown = new Map<string, number>()
  const show = (calls: readonly LedgerCall[]) => {
    for (const call of calls) {
      const attempts = [...ledger.attempts({ callKey: call.callKey })]
      print(json ? jsonLine(call, attempts) : textLine(call, attempts))
    }
  }
  const longestMs = longestCallMs(config)
  let polls = 0
  const news = () => {
    const now = Date.now()
    const ended = { from: now - longestMs, endedFrom: now - longestWriteMs }
    const isSearch = polls++ % pollsPerSearch === 0
    if (isSearch) for (const [callKey, endMs] of shown) if (endMs < now - searchedMs) shown.delete(callKey)
    const calls: LedgerCall[] = []
    for (const query of isSearch ? [ended, { from: now - searchedMs }] : [ended])
      for (const call of ledger.calls(query)) {
        if (shown.has(call.callKey)) continue
        shown.set(call.callKey, call.time + call.durationMs)
        calls.push(call)
      }
    return calls
  }
  news()
  const old = Date.now() - searchedMs
  // What is neither was written just now: it comes with the news.
  show([...ledger.calls({ newest: lines })].filter(({ callKey, time }) => shown.has(callKey) || time < old))
  let timer: NodeJS.Timeout | undefined
  const failed = new Promise<never>((_resolve, reject) => {
    timer = setInterval(() => {
      try {
        show(news())
      } catch (error) {
        reject(error)
      }
    }, pollMs)
  })
  try {
    await Promise.race([nextSignal(), failed])
  } finally {
    clearInterval(timer)
    ledger.end()
  }
}

/** A call is written when it ends, under the time it began: the longest that one may take. */
function longestCallMs({ timeouts, routes = {} }: RouterOptions): number {
  const given = [timeouts, ...Object.values(routes).map((route) => route.timeouts)]
  const longest = given.map((one) => (one === false ? dayMs : (one?.callMs ?? 0)))
  return Math.max(searchedMs, ...longest)
}

function summaryOf(call: LedgerCall, attempts: readonly LedgerAttempt[]) {
  const sum = (value: (attempt: LedgerAttempt) => number) => attempts.reduce((all, one) => all + value(one), 0)
  const known = attempts.every(({ costNanoUsd }) => costNanoUsd !== undefined)
  const cost = attempts.reduce((all, { costNanoUsd = 0n }) => all + costNanoUsd, 0n)
  return {
    time: new Date(call.time).toISOString(),
    id: call.callId,
    route: call.route,
    model: call.model ?? null,
    outcome: call.outcome,
    attempts: attempts.length,
    failovers: call.failovers,
    inputTokens: sum((one) => one.inputTokens + one.cacheWriteTokens),
    cachedInputTokens: sum((one) => one.cachedInputTokens),
    outputTokens: sum((one) => one.outputTokens + one.reasoningTokens),
    costUsd: known ? usdOf(cost) : null,
    estimated: attempts.some(({ estimated }) => estimated),
    durationMs: Math.round(call.durationMs),
    key: call.identity.key ?? null,
    user: call.identity.user ?? null,
  }
}

const jsonLine = (...of: Parameters<typeof summaryOf>) => JSON.stringify(summaryOf(...of))

function textLine(...of: Parameters<typeof summaryOf>): string {
  const { time, route, model, outcome, attempts, inputTokens, cachedInputTokens, outputTokens, ...rest } = summaryOf(
    ...of,
  )
  const who = [rest.key, rest.user].filter((name) => name !== null).join('/')
  const parts = [
    isToday(time) ? time.slice(11, 19) : time.slice(0, 19).replace('T', ' '),
    outcome,
    model === null || model === route ? route : `${route} -> ${model}`,
    `${inputTokens}+${cachedInputTokens} in, ${outputTokens} out`,
    rest.costUsd === null ? 'cost unknown' : `${rest.costUsd} USD${rest.estimated ? ' (estimated)' : ''}`,
    `${rest.durationMs} ms`,
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(who ? [who] : []),
  ]
  return parts.map(printable).join('  ')
}

const isToday = (time: string) => time.slice(0, 10) === new Date().toISOString().slice(0, 10)
