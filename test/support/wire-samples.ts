import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import type { Router } from '@signalbox/core'
import type { Responder, Script } from '@signalbox/testkit'
import { type Wire, wires } from './dialects.ts'
import { type Told, listenTo, routerFor, upstreamThat } from './routers.ts'

/** Input, cached input, output with what was thought, in tokens. */
type Counts = readonly [number, number, number]

/** What is in an answer, as any client hears it. */
export interface Heard {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly input: object }[]
  readonly thought: string
  readonly stop: 'end' | 'tools'
  readonly counts: Counts
}

/** A sample (fixtures/wire/README.md), and what is in it. */
export interface Sample extends Heard {
  readonly file: string
  readonly dialect: Wire['name']
}

/** A router to an upstream that answers with a sample. */
export async function routerPlaying({ dialect }: Sample, script: Script | Responder) {
  const upstream = await upstreamThat(script)
  const wire = wires.find(({ name }) => name === dialect)!
  const router = routerFor({ models: { auto: wire.model(upstream) } })
  return { router, upstream, told: listenTo(router) }
}

/** Where an official client reaches a router in process. */
export const reached = (router: Router) => ({ url: 'http://in.process/v1', fetch: router.fetch })

export const question = { role: 'user' as const, content: 'hello' }

/** What Anthropic's client heard. */
export function heardInMessage({ content, stop_reason: reason, usage }: Anthropic.Message): Heard {
  const joined = (read: (block: Anthropic.ContentBlock) => string) => content.map(read).join('')
  return {
    text: joined((block) => (block.type === 'text' ? block.text : '')),
    calls: content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, input: block.input as object }] : [],
    ),
    thought: joined((block) => (block.type === 'thinking' ? block.thinking : '')),
    stop: reason === 'tool_use' ? 'tools' : 'end',
    // Only Anthropic counts cached input beside the input.
    counts: [usage.input_tokens, usage.cache_read_input_tokens ?? 0, usage.output_tokens],
  }
}

/** What OpenAI's client heard by responses. */
export function heardInResponse({
  output,
  output_text: text,
  usage,
}: Pick<OpenAI.Responses.Response, 'output' | 'output_text' | 'usage'>): Heard {
  const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
  const thoughts = output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
  const cached = usage?.input_tokens_details.cached_tokens ?? 0
  return {
    text,
    calls: calls.map((call) => ({ name: call.name, input: JSON.parse(call.arguments) as object })),
    thought: thoughts.map((part) => part.text).join(''),
    stop: calls.length > 0 ? 'tools' : 'end',
    counts: [(usage?.input_tokens ?? 0) - cached, cached, usage?.output_tokens ?? 0],
  }
}

/** The counts in the usage of a chat completion. */
export function countsOfCompletion(usage: OpenAI.CompletionUsage | null | undefined): Counts {
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0
  return [(usage?.prompt_tokens ?? 0) - cached, cached, usage?.completion_tokens ?? 0]
}

/** What is in a sample, without where it is. */
export function contentOf({ text, calls, thought, stop, counts }: Sample): Heard {
  return { text, calls, thought, stop, counts }
}

/** What the router counted in the call it told of. */
export function counted(told: readonly Told[]): { readonly counts: Counts; readonly estimated: boolean } {
  const { usage, estimated } = told.find(({ event }) => event === 'call.ended')!.payload.ended
  const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = usage
  return { counts: [inputTokens, cachedInputTokens, outputTokens + reasoningTokens], estimated }
}
