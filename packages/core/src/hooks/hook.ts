import { callOfNamed } from '../call.ts'
import type { Clock } from '../clock.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { EventBus } from '../events.ts'
import { faultOfCopy, faultOfReply } from './hook-checks.ts'
import type { PlacedHook, Ring } from '../order.ts'
import type { Bounded, Overdue } from './overdue.ts'
import { ownReply } from './plugin-reply.ts'
import type { Attempt, Call, Handler, Middleware, Reply } from '../types.ts'

/** What running a plugin's hook needs. */
export interface HookContext {
  readonly ring: Ring
  readonly clock: Clock
  readonly events: EventBus
  /** Ends what never settles. */
  readonly overdue: Overdue
  readonly isRoute: (name: string) => boolean
}

/**
 * Makes a middleware of a plugin's hook: what it throws names the plugin, it may take no longer than its time limit and the
 * call's, what it is given is frozen, what it returns must be a reply, and a reply that it had from `next` and lost is
 * cancelled. A hook that is `open` on error is stepped over instead, and the call goes on without it; where another fails,
 * the reply that it had from `next` is cancelled. In calls that the plugin itself made it is left out.
 */
export function runHook<C extends Call | Attempt>(hook: PlacedHook<C>, context: HookContext): Middleware<C> {
  const { plugin, run, timeoutMs = Infinity } = hook
  const manner: Manner = {
    ...context,
    plugin,
    timeoutMs,
    open: (hook.onError ?? (hook.stage === 'observe' ? 'open' : 'closed')) === 'open',
    mayName: context.ring === 'call' && namingStages.has(hook.stage),
  }

  return function pluginHook(call, next) {
    const { madeBy, deadline } = 'call' in call ? call.call : call
    if (madeBy?.includes(plugin)) return next(call)
    const underWay = new HookRun(manner, deadline, Object.freeze(call), next)
    let returned: Promise<Reply>
    try {
      returned = run(call, (inner) => underWay.enter(inner))
    } catch (error) {
      return underWay.recover(error)
    }
    // What it hands on untouched needs no watching: the common case, and free of promises.
    return underWay.isLast(returned) ? underWay.handOn(returned) : underWay.outcomeOf(returned)
  }
}

/** What a hook changed stays as it is for those behind it. */
function freezeParts(changed: Call | Attempt): void {
  const { labels, state } = 'call' in changed ? changed.call : changed
  Object.freeze(labels)
  Object.freeze(state)
}

interface Manner extends HookContext {
  readonly plugin: string
  /** How long it may take by itself, outside of `next`. */
  readonly timeoutMs: number
  readonly open: boolean
  /** Whether it may say anew who calls. */
  readonly mayName: boolean
}

/** Where a hook may name another caller: before anything is decided by whose call it is. Undefined is outside of all stages. */
const namingStages: ReadonlySet<string | undefined> = new Set([undefined, 'observe', 'identify'])

/** One run of a hook, from its call until it has settled. */
class HookRun<C extends Call | Attempt> implements Bounded {
  place = -1
  private readonly callDeadline: number
  private readonly manner: Manner
  private readonly call: C
  private readonly next: Handler<C>
  /** What `next` gave last, and what it gave before. */
  private passed: Promise<Reply> | undefined
  private earlier: Promise<Reply>[] | undefined
  /** How many `next` are under way. */
  private inside = 0
  /** What is left of the hook's own time since it was last outside of `next`. */
  private leftMs: number
  private sinceMs = 0
  private isWatched = false
  private isOver = false
  private late: SignalboxError | undefined
  private settle: ((reply: Reply | Promise<Reply>) => void) | undefined
  /** What `next` brought. */
  private brought: Reply[] | undefined
  /** Streams among it that have not ended. */
  private streams: Set<Reply> | undefined

  constructor(manner: Manner, callDeadline: number, call: C, next: Handler<C>) {
    this.manner = manner
    this.callDeadline = callDeadline
    this.leftMs = manner.timeoutMs
    this.call = call
    this.next = next
  }

  enter(inner: C): Promise<Reply> {
    if (this.late) return Promise.reject(this.late)
    if (inner !== this.call) {
      const came = faultOfCopy(this.call, inner, this.manner)
      if (came) return Promise.reject(this.noCall(came))
      freezeParts(inner)
    }
    let passed: Promise<Reply>
    try {
      passed = this.next(this.named(inner))
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.isOver) return this.forItself(passed)
    if (this.passed) (this.earlier ??= []).push(this.passed)
    this.passed = passed
    if (this.isWatched) this.follow(passed)
    return passed
  }

  private named(inner: C): C {
    const { call } = this
    if ('call' in call || 'call' in inner || inner.identity === call.identity) return inner
    return callOfNamed(inner) as C
  }

  isLast(returned: unknown): boolean {
    return returned === this.passed && returned !== undefined && !this.earlier
  }

  handOn(returned: Promise<Reply>): Promise<Reply> {
    this.isOver = true
    return returned
  }

  /** What the hook comes to: its reply, or what is made of its failure. */
  outcomeOf(returned: unknown): Promise<Reply> {
    const { overdue } = this.manner
    this.isWatched = true
    if (this.isTimed) this.sinceMs = this.manner.clock.now()
    for (const passed of this.earlier ?? []) this.follow(passed)
    if (this.passed) this.follow(this.passed)
    return new Promise((resolve) => {
      this.settle = resolve
      overdue.add(this)
      Promise.resolve(returned).then(
        (reply) => this.afterReturn(reply),
        (error: unknown) => this.finish(() => this.recover(error)),
      )
    })
  }

  private get isTimed(): boolean {
    return this.leftMs < Infinity
  }

  get deadline(): number {
    return Math.min(this.callDeadline, this.inside === 0 ? this.sinceMs + this.leftMs : Infinity)
  }

  get isStuck(): boolean {
    return this.inside === 0
  }

  giveUp(): void {
    const { plugin, ring, timeoutMs, clock } = this.manner
    const message =
      clock.now() < this.callDeadline
        ? `The plugin "${plugin}" took longer than ${timeoutMs} ms`
        : `The plugin "${plugin}" did not settle in the ${ring} ring before the call's deadline`
    this.late = new SignalboxError('plugin_timeout', message, { plugin })
    this.finish(() => this.recover(this.late))
  }

  private finish(outcome: () => Reply | Promise<Reply>): void {
    const { settle } = this
    if (!settle) return
    this.settle = undefined
    this.isOver = true
    this.manner.overdue.delete(this)
    settle(outcome())
  }

  private follow(passed: Promise<Reply>): void {
    if (this.inside++ === 0 && this.isTimed) this.leftMs -= this.manner.clock.now() - this.sinceMs
    passed.then(
      (reply) => {
        this.leave()
        this.keep(reply)
      },
      () => this.leave(),
    )
  }

  private leave(): void {
    if (--this.inside > 0 || !this.isTimed) return
    this.sinceMs = this.manner.clock.now()
    if (this.settle) this.manner.overdue.hasten(this)
  }

  private keep(reply: Reply): void {
    ;(this.brought ??= []).push(reply)
    if (reply.body instanceof Uint8Array) return
    const streams = (this.streams ??= new Set())
    streams.add(reply)
    void reply.ended.then(() => streams.delete(reply))
  }

  private afterReturn(returned: unknown): void {
    const fault = faultOfReply(returned, 'call' in this.call ? undefined : this.call.dialect)
    const given = returned as Reply
    // Where it was stepped over, the reply that it had of next is on its way to the caller.
    const isOnItsWay = this.manner.open && this.passed !== undefined
    if (!this.settle) return fault || isOnItsWay ? undefined : given.cancel(this.late)
    if (fault) return this.finish(() => this.recover(this.fault('returned no reply', fault)))
    this.streams?.delete(given)
    const reply = this.brought?.includes(given) ? given : this.own(given)
    if (!this.streams?.size) return this.finish(() => reply)
    if (reply.body instanceof Uint8Array) return soon(() => this.finish(() => this.withoutLost(reply)))
    this.finish(() => reply)
    reply.body.tap(nothing, () => soon(() => this.drop(this.streams!)))
  }

  private own(reply: Reply): Reply {
    const { plugin, overdue, events } = this.manner
    const warn = (message: string) => events.emit('warning', { kind: 'plugin_failed', plugin, message })
    return ownReply(reply, this.brought ?? [], { plugin, deadline: this.callDeadline, overdue, warn })
  }

  /** The reply, unless the hook let another one go that nobody reads. */
  private withoutLost(reply: Reply): Reply | Promise<Reply> {
    if (unread(this.streams!).length === 0) return reply
    return this.recover(this.fault('lost a reply of next', 'it must hand it on or cancel it'))
  }

  /** Cancels what nobody reads, and tells of it. */
  private drop(replies: Iterable<Reply>): void {
    const lost = unread(replies)
    if (lost.length === 0) return
    for (const reply of lost) reply.cancel(new Error('a plugin lost this reply'))
    const { plugin, ring, events } = this.manner
    const message = `The plugin "${plugin}" lost a reply of next in the ${ring} ring; it is cancelled`
    events.emit('warning', { kind: 'plugin_failed', plugin, message })
  }

  /** What is asked for when the hook is over goes to no caller: it is the hook's to read. */
  private forItself(passed: Promise<Reply>): Promise<Reply> {
    passed.then((reply) => soon(() => this.drop([reply])), nothing)
    return passed
  }

  /** What is made of a failure: a rejection that names the plugin, or the call without it. */
  recover(thrown: unknown): Promise<Reply> {
    const { plugin, ring, open, events } = this.manner
    const named = this.failure(thrown)
    const { passed, earlier = [] } = this
    const isFinal = !open || named.plugin !== plugin
    for (const one of isFinal && passed ? [...earlier, passed] : earlier)
      one.then((reply) => reply.cancel(named), nothing)
    if (isFinal) return Promise.reject(named)
    const message = `The plugin "${plugin}" was stepped over in the ${ring} ring: ${reasonOf(named)}`
    events.emit('warning', { kind: 'plugin_skipped', plugin, message })
    return passed ? passed.then((reply) => untaken(reply, named)) : this.next(this.call)
  }

  private failure(error: unknown): SignalboxError {
    if (isSignalboxError(error)) return error
    const { plugin, ring } = this.manner
    return new SignalboxError('plugin_failed', `The plugin "${plugin}" failed in the ${ring} ring`, {
      plugin,
      cause: error,
    })
  }

  private noCall(came: string): SignalboxError {
    return this.fault('handed next no call', `expected the ${this.manner.ring}, or a changed copy of it, got ${came}`)
  }

  private fault(what: string, detail: string): SignalboxError {
    const { plugin, ring } = this.manner
    const message = `The plugin "${plugin}" ${what} in the ${ring} ring: ${detail}`
    return new SignalboxError('plugin_failed', message, { plugin })
  }
}

/** Streams that nobody has begun to read. */
const unread = (replies: Iterable<Reply>) =>
  [...replies].filter(({ body }) => !(body instanceof Uint8Array) && body.isTaken === false)

/** A reply that the hook had begun to read cannot go to the caller any more. */
function untaken(reply: Reply, failure: SignalboxError): Reply {
  if (reply.body instanceof Uint8Array || reply.body.isTaken !== true) return reply
  reply.cancel(failure)
  throw failure
}

/** After everything that waits for a promise by now has had its turn. */
const soon = (run: () => void) => void setImmediate(run)

const nothing = () => undefined

const reasonOf = (error: SignalboxError) => (error.cause instanceof Error ? error.cause.message : error.message)
