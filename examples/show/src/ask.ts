import OpenAI, { APIError } from 'openai'
import type { Prompt } from './prompts.ts'

/** How one prompt went, as the client saw it. */
export interface Asked extends Prompt {
  readonly model: string
  readonly attempts: number
  readonly totalMs: number
  readonly firstTokenMs?: number
  readonly tokens?: { readonly input: number; readonly output: number }
  /** What it failed with. */
  readonly error?: string
}

/** How to ask. */
export interface Asking {
  readonly client: OpenAI
  readonly signal: AbortSignal
  /** Takes the text of the answer, in pieces as it comes. */
  onText(text: string): void
}

/** Asks through the official client, over HTTP, and takes the time. */
export async function ask(prompt: Prompt, asking: Asking): Promise<Asked> {
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  try {
    const answer = await (prompt.stream ? askForStream(prompt, asking, since) : askForAnswer(prompt, asking))
    return { ...prompt, ...answer, totalMs: since() }
  } catch (error) {
    asking.signal.throwIfAborted()
    const headers = error instanceof APIError ? error.headers : undefined
    return { ...prompt, ...decision(headers), totalMs: since(), error: (error as Error).message }
  }
}

type Answer = Omit<Asked, keyof Prompt | 'totalMs'>

const bodyOf = ({ route, text, more }: Prompt) => ({
  model: route,
  messages: [{ role: 'user' as const, content: text }],
  ...more,
})

async function askForAnswer(prompt: Prompt, { client, signal, onText }: Asking): Promise<Answer> {
  const { data, response } = await client.chat.completions.create(bodyOf(prompt), { signal }).withResponse()
  const { content, tool_calls: calls } = data.choices[0]!.message
  onText(content ?? calls?.map(shownCall).join(', ') ?? '')
  return { ...decision(response.headers), ...tokensOf(data.usage) }
}

async function askForStream(prompt: Prompt, asking: Asking, since: () => number): Promise<Answer> {
  const { client, signal, onText } = asking
  const body = { ...bodyOf(prompt), stream: true, stream_options: { include_usage: true } } as const
  const { data, response } = await client.chat.completions.create(body, { signal }).withResponse()
  let firstTokenMs: number | undefined
  let usage: OpenAI.CompletionUsage | null | undefined
  for await (const chunk of data) {
    const text = chunk.choices[0]?.delta.content
    if (text) {
      firstTokenMs ??= since()
      onText(text)
    }
    usage ??= chunk.usage
  }
  return { ...decision(response.headers), ...tokensOf(usage), ...(firstTokenMs !== undefined && { firstTokenMs }) }
}

/** What the router says of its decision in the answer's headers. */
function decision(headers: Headers | undefined): Pick<Asked, 'model' | 'attempts'> {
  return {
    model: headers?.get('x-signalbox-model') ?? '-',
    attempts: Number(headers?.get('x-signalbox-attempts') ?? 0),
  }
}

const tokensOf = (usage: OpenAI.CompletionUsage | null | undefined): Pick<Asked, 'tokens'> =>
  usage ? { tokens: { input: usage.prompt_tokens, output: usage.completion_tokens } } : {}

const shownCall = (call: OpenAI.ChatCompletionMessageToolCall) =>
  call.type === 'function' ? `${call.function.name}(${call.function.arguments})` : call.type
