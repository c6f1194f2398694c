import { estimateTokens } from '../tokens/estimate.ts'
import type { Message, Request } from '../types.ts'

/** How hard a request is, by guess. */
export type Complexity = 'simple' | 'moderate' | 'complex'

/** What a request asks for, by guess. */
export type Task = 'code' | 'analysis' | 'summarise' | 'chat'

/** How long its answer should be, by guess. */
export type ExpectedLength = 'short' | 'medium' | 'long'

/** What the heuristic says of a request. */
export interface HeuristicLabels {
  readonly complexity: Complexity
  readonly task: Task
  readonly expectedLength: ExpectedLength
}

/** Of a message only so much is looked at, from its start: the time it takes is bounded. */
const charactersLookedAt = 16_384
/** Earlier messages of the user that count. */
const messagesLookedAt = 10
/** A last message below so many words goes on with what was said before. */
const followUpWords = 12

const code = /```|\b(?:function|class|def|import|return|const|SELECT)\b|=>|[;{}]\s*\n/
const maths = /\d\s*[+\-*/=^]\s*\d|\\(?:frac|int|sum|sqrt)\b|\b(?:integral|derivative|equation|theorem)\b/i
const asksForCode =
  /\b(?:code|program|script|bug|debug|refactor|compile|regex|sql|python|javascript|typescript|java)\b/i
const asksForAnalysis = /\b(?:analy[sz]e|analysis|compare|evaluate|assess|review|trade-?offs?|pros and cons)\b/i
const asksForSummary = /\b(?:summar(?:y|i[sz]e)|tl;?dr|shorten|condense|key points)\b/i
const hard = /\b(?:analy[sz]e|compare|design|architect(?:ure)?|optimi[sz]e|debug|prove|derive)\b/gi
const easy = /\b(?:what|when|where|simple|quick|list)\b/gi
const wantsLong = /\b(?:detailed|in depth|essay|report|comprehensive|step by step|article|full)\b/i
const wantsShort = /\b(?:briefly?|short|one (?:word|line|sentence)|yes or no|only the)\b/i

/**
 * Labels a request by its size, by marks of code and maths, and by English keywords: the scoring that many articles give.
 * Linear in time, and total on any input.
 *
 * It is a baseline and no more. On public results of real models its keywords say little of what a cheap model gets
 * wrong: "Design a distributed system" is simple to it, and in other languages than English only size, code and maths
 * count. A trained classifier does much better: see `@signalbox/classifier`.
 */
export function heuristicLabels({ messages, parameters }: Pick<Request, 'messages' | 'parameters'>): HeuristicLabels {
  const asked = messages.filter(({ role }) => role === 'user')
  const last = shownOf(asked.at(-1))
  const earlier = asked.slice(-1 - messagesLookedAt, -1).map((message) => complexityOf(shownOf(message)))
  const task = taskOf(last)
  return {
    complexity: complexityInConversation(complexityOf(last), last, earlier),
    task,
    expectedLength: lengthOf(last, task, parameters.maxOutputTokens),
  }
}

const shownOf = (message: Message | undefined) => message?.text.slice(0, charactersLookedAt) ?? ''

/** Words where they stand apart, and about as many where they do not: a token is about three quarters of a word. */
function wordsIn(text: string): number {
  const apart = text.match(/\S+/g)?.length ?? 0
  return Math.max(apart, Math.floor(estimateTokens(text) * 0.6))
}

function complexityOf(text: string): Complexity {
  const words = wordsIn(text)
  let score = 0
  if (words > 100) score += 1
  if (words > 300) score += 2
  if (code.test(text)) score += 2
  if (maths.test(text)) score += 1
  score += 2 * differentIn(text, hard) - differentIn(text, easy)
  if (score <= 2) return 'simple'
  return score <= 5 ? 'moderate' : 'complex'
}

const differentIn = (text: string, keywords: RegExp) =>
  new Set(text.match(keywords)?.map((keyword) => keyword.toLowerCase())).size

const levels: readonly Complexity[] = ['simple', 'moderate', 'complex']

/**
 * How hard the last message is where it stands: a conversation that was complex stays so, and a short message that goes on
 * with one is at least moderate.
 *
 * @param own how hard the message would be alone
 * @param earlier how hard the messages of the user before it were, each alone
 */
export function complexityInConversation(own: Complexity, last: string, earlier: readonly Complexity[]): Complexity {
  if (earlier.length === 0) return own
  const isFollowUp = wordsIn(last.slice(0, charactersLookedAt)) <= followUpWords
  const least = earlier.includes('complex') ? 'complex' : isFollowUp ? 'moderate' : 'simple'
  return levels[Math.max(levels.indexOf(own), levels.indexOf(least))]!
}

function taskOf(text: string): Task {
  if (asksForSummary.test(text)) return 'summarise'
  if (code.test(text) || asksForCode.test(text)) return 'code'
  return asksForAnalysis.test(text) ? 'analysis' : 'chat'
}

/** Above so many tokens that a caller lets the model write, an answer is not short, and not medium. */
const shortTokens = 256
const mediumTokens = 1_024

function lengthOf(text: string, task: Task, maxOutputTokens: number | undefined): ExpectedLength {
  if (maxOutputTokens !== undefined && maxOutputTokens <= shortTokens) return 'short'
  if (wantsShort.test(text)) return 'short'
  if (wantsLong.test(text)) return maxOutputTokens !== undefined && maxOutputTokens <= mediumTokens ? 'medium' : 'long'
  return task === 'chat' && wordsIn(text) < followUpWords ? 'short' : 'medium'
}
