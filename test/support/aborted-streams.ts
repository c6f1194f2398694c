import { getEventListeners } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect } from 'vitest'
import { type Clock, createRouter, definePlugin, systemClock } from '@signalbox/core'
import { seededRandom, startSimulatedProvider } from '@signalbox/testkit'
import { type OpenAnswer, begin, chat } from './caller.ts'
import type { Mount, Mounted } from './mounts.ts'
import { eventually, modelAt } from './routers.ts'

/** When a caller leaves. */
type Leaving = 'before headers' | 'before content' | 'mid-stream' | 'after finish' | 'never'

const leavings: readonly Leaving[] = ['before headers', 'before content', 'mid-stream', 'after finish', 'never']

const atOnce = 50

/** How soon upstreams were let go after their callers had left. */
export interface Lateness {
  readonly p99Ms: number
  /** How late the thread itself was, which caller, host and upstream share here. */
  readonly loopP99Ms: number
}

/**
 * Lets callers cut so many streams at random points, 50 at once, and expects that nothing is left of them: no upstream
 * request, no socket, no timer, no listener, no unhandled rejection, no warning. Says how soon upstreams were let go.
 */
export async function expectNothingLeftOf(streams: number, mount: Mount, seed: number): Promise<Lateness> {
  const random = seededRandom(seed)
  const complaints = watchProcess()
  const before = activeResources()
  const timers = countTimers()
  const signals = new Set<AbortSignal>()
  const provider = await startSimulatedProvider({ seed, latencyScale: 0.1 })
  provider.fail('deepseek-v3.2', 'stall-before-content')
  const router = createRouter({
    models: {
      one: modelAt(provider),
      two: modelAt(provider, { model: 'gemini-2.5-flash' }),
      stalling: modelAt(provider, { model: 'deepseek-v3.2' }),
    },
    routes: { auto: { strategy: 'round-robin', models: ['one', 'two'] } },
    clock: timers.clock,
    plugins: [
      definePlugin({
        name: 'signals',
        call: (call, next) => {
          signals.add(call.signal)
          return next(call)
        },
      }),
    ],
  })
  let callsOpen = 0
  const onStarted = new Map<string, () => void>()
  router.on('call.ended', () => void callsOpen--)
  router.on('attempt.started', ({ record }) => onStarted.get(record.id)?.())
  router.on('call.started', () => void callsOpen++)
  const mounted = await mount.serve(router)
  const leftAtMs = new Map<string, number>()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()

  let next = 0
  const caller = async () => {
    while (next < streams) {
      const name = `stream-${next++}`
      const started = new Promise<void>((resolve) => onStarted.set(name, resolve))
      if (await cutOne(mounted, { name, started, random })) leftAtMs.set(name, performance.now())
    }
  }
  await Promise.all(Array.from({ length: atOnce }, caller))

  delay.disable()
  await eventually(() => callsOpen === 0)
  await eventually(() => provider.openRequests() === 0)
  expect(provider.requests.every(({ ended, aborted }) => ended || aborted)).toBe(true)
  expect(provider.requests.filter(({ aborted }) => aborted).length).toBeGreaterThan(streams / 4)
  await router.close()
  await eventually(() => provider.openSockets() === 0)
  await eventually(() => timers.waiting() === 0)
  expect([...signals].flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([])
  expect(signals.size).toBeGreaterThan(streams / 2)
  await provider.close()
  await new Promise<void>((resolve) => {
    mounted.server.close(() => resolve())
    mounted.server.closeAllConnections()
  })
  await eventually(() => activeResources() <= before, 'no more sockets, servers and timers than before')
  expect(complaints.stop()).toEqual([])

  const lateness = provider.requests.flatMap(({ aborted, endedAtMs, body }) => {
    const left = leftAtMs.get((body as { messages: { content: string }[] } | undefined)?.messages[0]?.content ?? '')
    return aborted && endedAtMs !== undefined && left !== undefined ? [endedAtMs - left] : []
  })
  const p99Ms = lateness.toSorted((a, b) => a - b)[Math.floor(lateness.length * 0.99)]!
  return { p99Ms, loopP99Ms: delay.percentile(99) / 1e6 }
}

interface Cut {
  readonly name: string
  /** Settles when the first attempt is on its way. */
  readonly started: Promise<void>
  readonly random: () => number
}

/** Sends one request and leaves somewhere; says whether there was anything to leave. */
async function cutOne(mounted: Mounted, { name, started, random }: Cut): Promise<boolean> {
  const leaving = leavings[Math.floor(random() * leavings.length)]!
  const point = random()
  const model = leaving === 'before content' ? 'stalling' : 'auto'
  const body = chat({ model, stream: true, messages: [{ role: 'user', content: name }] })
  const { answered, leave } = begin(mounted, { body, headers: { 'x-request-id': name } })
  if (leaving === 'before headers' || leaving === 'before content') {
    await started
    // A stalling upstream has sent its head and its role after this; the others have sent nothing.
    await pause(leaving === 'before headers' ? point * 15 : 40 + point * 20)
    leave()
    await answered.catch(() => undefined)
    return true
  }
  return leaveLate(await answered, leaving, point)
}

async function leaveLate(answer: OpenAnswer, leaving: Leaving, point: number): Promise<boolean> {
  if (leaving === 'mid-stream') {
    await answer.until('"content"')
    await pause(point * 30)
  } else {
    const text = await answer.until('[DONE]')
    expect(text).toContain('[DONE]')
  }
  if (leaving === 'never') await answer.rest()
  else answer.leave()
  return leaving === 'mid-stream'
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Sockets, servers and timers that this thread holds. */
const activeResources = () =>
  process.getActiveResourcesInfo().filter((name) => /^(TCP|Timeout|Pipe|TLS)/.test(name)).length

/** The machine's clock, and how many of its timers wait; those that are unref'd do not show among a thread's resources. */
function countTimers(): { clock: Clock; waiting: () => number } {
  const waiting = new Set<object>()
  const clock: Clock = {
    ...systemClock,
    setTimeout(run, delayMs) {
      const timer = systemClock.setTimeout(() => {
        waiting.delete(timer)
        run()
      }, delayMs)
      waiting.add(timer)
      return timer
    },
    clearTimeout(timer) {
      if (timer) waiting.delete(timer)
      systemClock.clearTimeout(timer)
    },
  }
  return { clock, waiting: () => waiting.size }
}

/** Unhandled rejections and warnings of this thread, from now until it is stopped. */
function watchProcess(): { stop: () => unknown[] } {
  const complaints: unknown[] = []
  const complain = (what: unknown) => void complaints.push(what)
  process.on('unhandledRejection', complain)
  process.on('warning', complain)
  return {
    stop() {
      process.off('unhandledRejection', complain)
      process.off('warning', complain)
      return complaints
    },
  }
}
