import type { Clock } from '../clock.ts'
import { readChatRequest, type ChatRequest } from './chat-request.ts'
import type { Exchange } from './exchange.ts'
import type { SimulatedFault } from './faults.ts'
import { drawLatencyMs, type SimulatedModel } from './models.ts'
import { badRequest, openAiError, usualError, type Refusal } from './openai-errors.ts'
import { countCompletionTokens, planChoices, randomId } from './plan.ts'
import { splitTokens } from './tokens.ts'
import { deliver } from './write-answer.ts'

/** What answering a chat request needs to know of the provider. */
export interface ChatDesk {
  models: readonly SimulatedModel[]
  clock: Clock
  latencyScale: number
  outages: boolean
  cachedTokens: (model: string, tokens: readonly string[]) => number
  answer: ((request: ChatRequest) => string | undefined) | undefined
}

export interface ChatDraw {
  random: () => number
  fault: SimulatedFault | undefined
}

/** Answers one chat-completions request. */
export async function answerChat(desk: ChatDesk, exchange: Exchange, { random, fault }: ChatDraw): Promise<void> {
  const { entry } = exchange
  const request = readChatRequest(entry.body)
  if ('status' in request) return exchange.json(request)
  const model = desk.models.find(({ name }) => name === request.model)
  if (!model) return exchange.json(unknownModel(request.model))
  const promptTokens = promptOf(request)
  const tooLong = checkContext(promptTokens.length, request.maxTokens, model)
  if (tooLong) return exchange.json(tooLong)

  const isDown = random() >= model.uptime
  const latencyMs = drawLatencyMs(model, random) * desk.latencyScale
  if (desk.outages && isDown) {
    entry.fault ??= 'outage'
    return exchange.json({ status: 503, body: usualError(503) })
  }
  const id = `chatcmpl-${randomId(random, 29)}`
  const choices = planChoices(request, { random, answer: desk.answer })
  const usage = {
    prompt: promptTokens.length,
    cached: desk.cachedTokens(model.name, promptTokens),
    completion: countCompletionTokens(choices),
  }
  const createdAt = Math.floor(desk.clock.wallTime() / 1000)
  const timing = { startedAtMs: entry.startedAtMs, totalMs: latencyMs + addedDelayMs(fault) }
  await deliver(exchange, { id, createdAt, request, choices, usage, random }, timing, fault)
}

function addedDelayMs(fault: SimulatedFault | undefined): number {
  return typeof fault === 'object' && 'delayMs' in fault ? fault.delayMs : 0
}

const tokensPerMessage = 4
const tokensPerImage = 85

function promptOf({ tools, messages }: ChatRequest): string[] {
  const definitions = tools.length > 0 ? splitTokens(JSON.stringify(tools)) : []
  const texts = messages.flatMap(({ role, text, images }) => [
    ...Array.from({ length: tokensPerMessage + images * tokensPerImage }, () => role),
    ...splitTokens(text),
  ])
  return [...definitions, ...texts]
}

function checkContext(promptTokens: number, maxTokens: number, { contextWindow }: SimulatedModel): Refusal | undefined {
  const asked = Number.isFinite(maxTokens) ? maxTokens : 0
  if (promptTokens + asked <= contextWindow) return undefined
  const result =
    promptTokens > contextWindow
      ? `your messages resulted in ${promptTokens} tokens`
      : `you requested ${promptTokens + asked} tokens (${promptTokens} in the messages, ${asked} in the completion)`
  const message = `This model's maximum context length is ${contextWindow} tokens. However, ${result}. Please reduce the length.`
  return badRequest(message, 'messages', 'context_length_exceeded')
}

function unknownModel(name: string): Refusal {
  const message = `The model \`${name}\` does not exist or you do not have access to it.`
  return { status: 404, body: openAiError(message, { code: 'model_not_found' }) }
}
