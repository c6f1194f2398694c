import type { ChatRequest, Tool } from './chat-request.ts'
import { lastUserText, writeAnswer } from './answers.ts'
import { schemaValue } from './schema-value.ts'
import { splitTokens } from './tokens.ts'

interface PlannedToolCall {
  id: string
  name: string
  /** The arguments' JSON text, cut into tokens. */
  tokens: string[]
}

export interface PlannedChoice {
  /** The text cut into tokens; undefined when there are tool calls instead. */
  tokens: string[] | undefined
  toolCalls: PlannedToolCall[]
  finishReason: 'stop' | 'length' | 'tool_calls'
}

export interface Planner {
  random: () => number
  /** Replaces the built-in text of an answer. */
  answer?: ((request: ChatRequest) => string | undefined) | undefined
}

/** Decides what each choice of an answer says, before any of it is written. */
export function planChoices(request: ChatRequest, planner: Planner): PlannedChoice[] {
  return Array.from({ length: request.choices }, () => planChoice(request, planner))
}

/** How many completion tokens the choices cost. */
export function countCompletionTokens(choices: readonly PlannedChoice[]): number {
  return choices
    .flatMap(({ tokens, toolCalls }) => [tokens?.length ?? 0, ...toolCalls.map((call) => call.tokens.length)])
    .reduce((total, count) => total + count, 0)
}

function planChoice(request: ChatRequest, planner: Planner): PlannedChoice {
  const tools = toolsToCall(request)
  if (tools.length > 0) return planToolCalls(tools, request, planner)
  const text = cutAtStop(planner.answer?.(request) ?? writeText(request, planner.random), request.stop)
  const tokens = splitTokens(text)
  const finishReason = tokens.length > request.maxTokens ? 'length' : 'stop'
  return { tokens: tokens.slice(0, request.maxTokens), toolCalls: [], finishReason }
}

function writeText(request: ChatRequest, random: () => number): string {
  const answer = writeAnswer(request, random)
  const { type, schema } = request.responseFormat
  if (type === 'json_schema') return JSON.stringify(schemaValue(schema, { prompt: lastUserText(request), answer }))
  return type === 'json_object' ? JSON.stringify({ answer, model: request.model }) : answer
}

function cutAtStop(text: string, stops: readonly string[]): string {
  const ends = stops.filter(Boolean).map((stop) => text.indexOf(stop))
  return text.slice(0, Math.min(text.length, ...ends.filter((end) => end >= 0)))
}

function planToolCalls(tools: readonly Tool[], request: ChatRequest, { random }: Planner): PlannedChoice {
  const hints = { prompt: lastUserText(request), answer: lastUserText(request).slice(0, 200) }
  const named = typeof request.toolChoice === 'object'
  const toolCalls: PlannedToolCall[] = []
  let tokensLeft = request.maxTokens
  for (const tool of tools) {
    if (tokensLeft <= 0) break
    const tokens = splitTokens(JSON.stringify(schemaValue(tool.parameters, hints)))
    toolCalls.push({ id: `call_${randomId(random, 24)}`, name: tool.name, tokens: tokens.slice(0, tokensLeft) })
    tokensLeft -= tokens.length
  }
  return { tokens: undefined, toolCalls, finishReason: tokensLeft < 0 ? 'length' : named ? 'stop' : 'tool_calls' }
}

function toolsToCall(request: ChatRequest): Tool[] {
  const { tools, toolChoice, messages, parallelToolCalls } = request
  if (toolChoice === 'none' || tools.length === 0) return []
  if (typeof toolChoice === 'object') return tools.filter(({ name }) => name === toolChoice.name).slice(0, 1)
  const prompt = lastUserText(request).toLowerCase()
  const wanted = messages.at(-1)?.role === 'tool' ? [] : tools.filter((tool) => asksFor(prompt, tool))
  if (wanted.length === 0 && toolChoice === 'required') return tools.slice(0, 1)
  return parallelToolCalls ? wanted : wanted.slice(0, 1)
}

const commonVerbs = new Set([
  'get',
  'set',
  'list',
  'find',
  'fetch',
  'read',
  'make',
  'call',
  'run',
  'current',
  'tool',
  'by',
  'the',
])

function asksFor(prompt: string, { name }: Tool): boolean {
  if (prompt.includes(name.toLowerCase())) return true
  const words = name.split(/[_\-.\s]+|(?<=[a-z])(?=[A-Z])/).map((word) => word.toLowerCase())
  const telling = words.filter((word) => word && !commonVerbs.has(word))
  return telling.length > 0 && telling.every((word) => prompt.includes(word))
}

const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export function randomId(random: () => number, length: number): string {
  return Array.from({ length }, () => idAlphabet[Math.floor(random() * idAlphabet.length)]).join('')
}
