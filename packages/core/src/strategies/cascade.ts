import { type AgreementVerifierOptions, agreementVerifier } from '../cascade/agreement.ts'
import { type SchemaVerifierOptions, schemaVerifier, toolsVerifier } from '../cascade/format.ts'
import { type JudgeVerifierOptions, judgeVerifier } from '../cascade/judge.ts'
import { type RegexVerifierOptions, regexVerifier } from '../cascade/text.ts'
import {
  type AskAside,
  type Check,
  type Verdict,
  type VerifiedAnswer,
  type Verifier,
  accepted,
  rejected,
} from '../cascade/verifier.ts'
import { wholeAnswer } from '../cascade/whole-answer.ts'
import type { Clock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'
import { came } from '../hooks/hook-checks.ts'
import type { TryCandidate } from '../plugin.ts'
import type { AttemptRecord, CascadeRecord } from '../record.ts'
import { endOf, inTime, untilAborted } from '../sleep.ts'
import type { Call, CandidateView, Reply, Services } from '../types.ts'
import type { RankContext, Strategy } from './strategy.ts'
import { type Choice, type Parts, assessChoices, firstWith, joined, observeChoices, rankChoice } from './choice.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

/** Says whether an answer is good enough: true, or false or the reason why it is not. */
export type VerifyFunction = (answer: VerifiedAnswer, call: Call) => boolean | string | Promise<boolean | string>

/** A verifier: its name, its name with options, or a function of one's own (in code). */
export type VerifierSettings =
  | 'schema'
  | 'tools'
  | ({ readonly use: 'schema' } & SchemaVerifierOptions)
  | { readonly use: 'tools' }
  | ({ readonly use: 'regex' } & RegexVerifierOptions)
  | ({ readonly use: 'agreement' } & AgreementVerifierOptions)
  | ({ readonly use: 'judge' } & JudgeVerifierOptions)
  | VerifyFunction

/** Options of the strategy `cascade`. */
export interface CascadeOptions {
  /** Asked first. The second is asked where the first cannot be had, not where its answer is rejected. */
  readonly cheap: readonly string[]
  /** Asked where the answer of a cheap model is rejected, or none can be had. */
  readonly strong: readonly string[]
  /** What verifies the answer of a cheap model; of several each must accept it. */
  readonly verify: VerifierSettings | readonly VerifierSettings[]
  /** How the models of each kind are ordered. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
}

/** What a decision goes by. */
interface Assessed extends Parts {
  /** The names of the verifiers that have something to go by; empty where none has. */
  readonly applying: string
}

/**
 * Cheap models first: their answer is read to its end and given to the caller if the verifiers accept it, as a stream to a
 * caller of a stream; else the strong models answer. Every answer is charged, and those that are rejected are not given
 * to anybody. A call that gives the verifiers nothing to go by goes to the strong models at once; where no strong model
 * is left for a call, the cheap ones answer unverified.
 */
export function cascade(options: CascadeOptions, { clock }: Services, make: MakeStrategy): Strategy {
  const verifiers = [options.verify].flat().map(verifierOf)
  const nothingToVerifyBy = `nothing in the call to verify an answer by (${namesOf(verifiers)})`
  const choiceOf = (models: readonly string[]): Choice => ({ models, strategy: make(options.strategy) })
  const choices = { cheap: choiceOf(options.cheap), strong: choiceOf(options.strong) }

  function assess(call: Call, candidates: readonly CandidateView[], context: Pick<RankContext, 'now'>): Assessed {
    const applying = namesOf(verifiersFor(verifiers, call))
    return { ...assessChoices(choices, { call, candidates, context }), applying }
  }

  return {
    name: 'cascade',
    assess,
    rank(call, candidates, context) {
      const place = { call, candidates, context }
      const { applying } = (context.assessment ?? assess(call, candidates, context)) as Assessed
      if (applying === '')
        return joined([
          () => rankChoice(choices, { name: 'strong', why: `strong: ${nothingToVerifyBy}` }, place),
          () => rankChoice(choices, { name: 'cheap', why: 'cheap, unverified, where no strong one is left' }, place),
        ])
      return joined([
        () => rankChoice(choices, { name: 'cheap', why: `cheap, verified by ${applying}` }, place),
        () => rankChoice(choices, { name: 'strong', why: 'strong, where that is not accepted' }, place),
      ])
    },
    observe: (outcome) =>
      observeChoices(choices, outcome, (_call, model) => firstWith(choices, ['cheap', 'strong'], model)),
    route(call, ranked, attempt, tryRanked) {
      const behind = ranked.filter(({ name }) => !options.cheap.includes(name))
      if (behind.length === 0) return tryRanked(call, ranked, attempt)
      const applying = verifiersFor(verifiers, call)
      if (applying.length === 0) {
        note(call, { verdict: 'skipped', reason: nothingToVerifyBy })
        return tryRanked(call, ranked, attempt)
      }
      const verified = verifying({
        call,
        attempt,
        verifiers: applying,
        clock,
        isCheap: (name) => options.cheap.includes(name),
      })
      return tryRanked(call, ranked, verified)
    },
  }
}

/**
 * The strategy `cascade` of a route, whose models it names: a route with it needs no `models` of its own.
 *
 * @example
 * const strategy = byCascade({ cheap: ['small'], strong: ['large'], verify: ['schema', 'tools'] })
 */
export const byCascade = (options: CascadeOptions) => ({ use: 'cascade', ...options }) as const

interface Verifying {
  readonly call: Call
  readonly attempt: TryCandidate
  readonly verifiers: readonly Verifier[]
  readonly isCheap: (name: string) => boolean
  readonly clock: Clock
}

/** Tries candidates as ever, but the answer of a cheap one must be accepted: if it is not, it counts as a failure. */
function verifying({ call, attempt, verifiers, isCheap, clock }: Verifying): TryCandidate {
  let refusal: SignalboxError | undefined

  async function tryVerified(...[which, how = {}]: Parameters<TryCandidate>): Promise<Reply> {
    const name = typeof which === 'string' ? which : which.name
    if (!isCheap(name)) return attempt(which, how)
    if (refusal) throw refusal
    const over = new AbortController()
    const signal = how.signal ? AbortSignal.any([how.signal, over.signal]) : over.signal
    let checks: readonly NamedCheck[] | undefined
    const begin = () => (checks ??= prepare(signal))
    const onSend = (entry: AttemptRecord) => {
      begin()
      how.onSend?.(entry)
    }
    try {
      const { reply, answer } = await wholeAnswer(call, await attempt(which, { ...how, onSend }))
      // Where another model has answered meanwhile, what is still said of this one concerns nobody.
      const wanted = how.signal ? AbortSignal.any([call.signal, how.signal]) : call.signal
      const limitMs = Math.max(0, call.deadline - clock.now())
      const judged = untilAborted(verdictOf(answer, begin(), call), wanted)
      const verdict = await inTime(judged, { limitMs, clock, late: notVerified })
      note(call, { model: name, ...verdict })
      if (verdict.verdict === 'accepted') return reply
      const why = `The answer of the model "${name}" was rejected by ${verdict.verifier}: ${verdict.reason}`
      throw (refusal = new SignalboxError('answer_rejected', why, { model: name }))
    } finally {
      over.abort()
    }
  }

  return Object.assign(tryVerified, { candidates: attempt.candidates })

  function prepare(signal: AbortSignal): NamedCheck[] {
    const ask: AskAside = async (model, asideFor) => {
      const aside = asideFor?.(attempt.candidates.get(model)!.provider) ?? {}
      const reply = await attempt(model, { signal, mayWait: false, aside })
      const { answer } = await wholeAnswer({ ...call, ...aside }, reply)
      if (answer) return answer
      throw new SignalboxError('bad_upstream_response', `The answer of the model "${model}" cannot be read`, { model })
    }
    return verifiers.map(({ name, prepare: begin }) => ({ name, check: begin(call, ask) }))
  }
}

interface NamedCheck {
  readonly name: string
  readonly check: Check
}

type Decided = Pick<CascadeRecord, 'verdict' | 'verifier' | 'reason'>

/** What the verifiers say, one after the other: the first that rejects decides. One that fails rejects. */
async function verdictOf(
  answer: VerifiedAnswer | undefined,
  checks: readonly NamedCheck[],
  { log, signal }: Call,
): Promise<Decided> {
  const reasons: string[] = []
  for (const { name, check } of checks) {
    let verdict: Verdict
    try {
      verdict = answer ? await check(answer) : rejected('it cannot be read')
    } catch (error) {
      if (signal.aborted) throw endOf(signal)
      log?.warn({ err: error, verifier: name }, 'a verifier failed')
      verdict = rejected(`it could not be verified: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (!verdict.accepted) return { verdict: 'rejected', verifier: name, reason: verdict.reason }
    reasons.push(verdict.reason)
  }
  return { verdict: 'accepted', verifier: checks.map(({ name }) => name).join(', '), reason: reasons.join('; ') }
}

const namesOf = (verifiers: readonly Verifier[]) => verifiers.map(({ name }) => name).join(' and ')

function note(call: Call, decided: Omit<CascadeRecord, 'escalated'>): void {
  call.record.cascade = { ...decided, escalated: decided.verdict !== 'accepted' }
}

const notVerified = () =>
  new SignalboxError('deadline_exceeded', 'The time of the call is up, and its answer is not verified')

/** Which verifiers have something to go by. Answers with several choices, and those that are no talk, are not read. */
function verifiersFor(verifiers: readonly Verifier[], call: Call): readonly Verifier[] {
  if (call.surface !== 'chat' || (call.request.parameters.choices ?? 1) > 1) return []
  return verifiers.filter(({ appliesTo }) => appliesTo?.(call) ?? true)
}

function verifierOf(settings: VerifierSettings): Verifier {
  if (typeof settings === 'function') return ownVerifier(settings)
  const { use, ...options } = typeof settings === 'string' ? { use: settings } : settings
  return verifierFactories[use](options as never)
}

const verifierFactories = {
  schema: schemaVerifier,
  tools: toolsVerifier,
  regex: regexVerifier,
  agreement: agreementVerifier,
  judge: judgeVerifier,
} as const

function ownVerifier(verify: VerifyFunction): Verifier {
  const name = verify.name || 'function'
  return {
    name,
    prepare: (call) => async (answer) => {
      const said: unknown = await verify(answer, call)
      return said === true ? accepted('it accepts it') : rejected(whyNot(said))
    },
  }
}

function whyNot(said: unknown): string {
  if (said === false) return 'it rejects it'
  return typeof said === 'string' ? said : `it gave ${came(said)}, where true, false or a reason was expected`
}
