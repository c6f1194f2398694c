import type { Exchange } from './exchange.ts'
import { isMidway, type MidwayFault, type SimulatedFault } from './faults.ts'
import { usualError } from './openai-errors.ts'
import { completionBody, streamEvents, type Answer } from './wire.ts'

export interface Timing {
  startedAtMs: number
  /** How long the whole answer takes. */
  totalMs: number
}

const firstTokenShare = 0.4
const streamHead = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
const plainHead = { 'content-type': 'application/json' }

/** Writes the answer, streamed or plain, and on the way does what the fault says. */
export function deliver(exchange: Exchange, answer: Answer, timing: Timing, fault?: SimulatedFault): Promise<void> {
  const write = answer.request.stream ? deliverStream : deliverPlain
  return write(exchange, answer, { timing, fault })
}

interface Manner {
  timing: Timing
  fault: SimulatedFault | undefined
}

async function deliverStream(exchange: Exchange, answer: Answer, { timing, fault }: Manner): Promise<void> {
  const events = streamEvents(answer)
  const contentEvents = events.filter(({ carries }) => carries === 'content').length
  const firstAtMs = timing.startedAtMs + timing.totalMs * firstTokenShare
  const gapMs = (timing.totalMs * (1 - firstTokenShare)) / Math.max(contentEvents, 1)
  const stopAt = isMidway(fault) ? contentBefore(fault, contentEvents) : Infinity

  await exchange.sleepUntil(firstAtMs)
  exchange.head(200, streamHead)
  if (fault === 'malformed') return exchange.end(events[0]!.text.slice(0, events[0]!.text.length >> 1) + '\n\n')
  let written = 0
  for (const { carries, text } of events) {
    if (exchange.signal.aborted) return
    if (carries !== 'role' && written >= stopAt) return breakStream(exchange, fault as MidwayFault)
    if (carries === 'content') {
      await exchange.sleepUntil(firstAtMs + gapMs * written)
      written += 1
    }
    await exchange.write(text)
  }
  exchange.end()
}

function contentBefore(fault: MidwayFault, contentEvents: number): number {
  return fault.endsWith('before-content') ? 0 : Math.max(1, contentEvents >> 1)
}

async function breakStream(exchange: Exchange, fault: MidwayFault): Promise<void> {
  const kind = kindOf(fault)
  await exchange.flushed()
  if (kind === 'cut') exchange.reset()
  else if (kind === 'end') exchange.end()
  else if (kind === 'error') exchange.end(`data: ${JSON.stringify(usualError(500))}\n\n`)
  else await exchange.untilOver()
}

async function deliverPlain(exchange: Exchange, answer: Answer, { timing, fault }: Manner): Promise<void> {
  await exchange.sleepUntil(timing.startedAtMs + timing.totalMs)
  const body = JSON.stringify(completionBody(answer))
  const half = body.slice(0, body.length >> 1)
  if (fault === 'malformed') return exchange.json({ status: 200, body: half })
  if (!isMidway(fault)) return exchange.json({ status: 200, body })
  const kind = kindOf(fault)
  if (kind === 'error') return exchange.json({ status: 200, body: usualError(500) })
  exchange.head(200, { ...plainHead, 'content-length': Buffer.byteLength(body) })
  if (fault.endsWith('after-content')) await exchange.write(half)
  await exchange.flushed()
  if (kind === 'cut') exchange.reset()
  else if (kind === 'end') exchange.hangUp()
  else await exchange.untilOver()
}

function kindOf(fault: MidwayFault): string {
  return fault.slice(0, fault.indexOf('-'))
}

/** Does what a fault says that leaves no room for an answer; says whether it was such a fault. */
export async function deliverFault(exchange: Exchange, fault: SimulatedFault): Promise<boolean> {
  if (typeof fault === 'object') return deliverFaultObject(exchange, fault)
  if (fault === 'reset') exchange.reset()
  else if (fault === 'hang') await exchange.untilOver()
  else if (fault === 'empty') exchange.json({ status: 200, body: '' })
  else if (fault === 'html') exchange.json(webPage)
  else return false
  return true
}

function deliverFaultObject(exchange: Exchange, fault: Extract<SimulatedFault, object>): boolean {
  if (!('status' in fault)) return false
  const { status, body = usualError(status), headers = {} } = fault
  exchange.json({ status, body, headers })
  return true
}

const webPage = {
  status: 200,
  body: '<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>',
  headers: { 'content-type': 'text/html; charset=utf-8' },
}
