import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { type Router, usdOf } from '@signalbox/core'
import { chunk, completion, json, lastChunk, streamHead } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { type Speaker, type Wire, dataOf, pairs, wholeStream, wires } from './support/dialects.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, routerFor, routerOver, upstreamThat } from './support/routers.ts'

/** 1 nano-USD for a token of input, 10 for one of output, half of one for one that is read from a cache. */
const price = { input: 0.001, output: 0.01, cachedInput: 0.0005 }
const budgets = [{ per: 'all', window: 'month', limitUsd: 1 }] as const

/** 10 tokens of input, 100 that were read from a cache, and 5 of output, as the provider says it. */
function withCache(text: string): string {
  return text
    .replaceAll('"prompt_tokens":10,', '"prompt_tokens":110,"prompt_tokens_details":{"cached_tokens":100},')
    .replaceAll(
      '"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15}',
      '"usage":{"input_tokens":110,"input_tokens_details":{"cached_tokens":100},"output_tokens":5,"total_tokens":115}',
    )
    .replaceAll('"total_tokens":15', '"total_tokens":115')
    .replaceAll(/"usage":\{"input_tokens":10,"output_tokens":(\d)\}/g, anthropicUsage('$1'))
    .replaceAll('"usage":{"output_tokens":5}', anthropicUsage('5'))
}

/** At the start and at the end of a stream alike: the last one counts, and not both. */
const anthropicUsage = (output: string) =>
  `"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":0,"output_tokens":${output}}`

const scriptOf = (provider: Wire, stream: boolean) =>
  stream
    ? [streamHead(), ...wholeStream(provider).map((piece) => chunk(withCache(piece))), lastChunk()]
    : json(JSON.parse(withCache(JSON.stringify(provider.plain('Hello')))))

/** What an answer says that it used, as clients of its dialect take it: OpenAI's count what is cached in, Anthropic's do not. */
function toldIn({ name }: Speaker, text: string, stream: boolean) {
  const said = stream ? dataOf(text) : [JSON.parse(text)]
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
  const usage: any = Object.assign({}, ...said.map((one) => one.usage ?? one.message?.usage ?? one.response?.usage))
  if (name === 'anthropic-messages')
    return { fresh: usage.input_tokens, cached: usage.cache_read_input_tokens, output: usage.output_tokens }
  if (name === 'openai-chat') {
    const cached = usage.prompt_tokens_details.cached_tokens
    return { fresh: usage.prompt_tokens - cached, cached, output: usage.completion_tokens }
  }
  const cached = usage.input_tokens_details.cached_tokens
  return { fresh: usage.input_tokens - cached, cached, output: usage.output_tokens }
}

/** What stands in the ledger, which is what stands in the budget. */
async function charged(router: Router): Promise<bigint> {
  await eventually(() => [...router.ledger!.calls()].length > 0)
  const nanoUsd = [...router.ledger!.attempts()].reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)
  expect(await router.budgets()).toMatchObject([{ settledUsd: usdOf(nanoUsd), heldUsd: '0' }])
  return nanoUsd
}

const title = '$caller.name to $provider.name, streamed: $stream'
const everyWay = pairs.flatMap((pair) => [false, true].map((stream) => ({ ...pair, stream })))

describeMounts('what peers got wrong', (mount) => {
  it('a session that spends more by asking at once (LiteLLM #34732)', async () => {
    const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
    const upstream = await upstreamThat(completion({ content: 'hello', usage }))
    const router = routerOver([upstream], {
      model: { price },
      budgets: [{ per: 'tag', window: { rollingMs: 3_600_000 }, limitUsd: 500e-9 }],
      capOutput: false,
    })
    const identify = ({ headers }: IncomingMessage) => ({ tags: [String(headers['x-session'])] })
    const mounted = await mount.serve(router, { identify })
    const ask = (session: string) =>
      send(mounted, { body: chat({ max_tokens: 20 }), headers: { 'x-session': session } })

    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('one')))

    const refusals = answers.filter(({ status }) => status === 429)
    expect([refusals.length, upstream.requests.length]).toEqual([19, 1])
    expect(new Set(refusals.map((answer) => answer.json().error.code))).toEqual(new Set(['budget_exceeded']))
    expect((await ask('another')).status).toBe(200)
  })

  it.each(everyWay)(
    `what a budget counts beside what was billed, ${title} (LiteLLM #40050)`,
    async ({ caller, provider, stream }) => {
      const upstream = await upstreamThat(scriptOf(provider, stream))
      const router = routerFor({
        models: { auto: provider.model(upstream, { price }) },
        budgets,
        ledger: 'memory',
        retry: false,
      })
      const usageToo = caller.name === 'openai-chat' && { stream_options: { include_usage: true } }
      const body = caller.request(stream ? { stream, ...usageToo } : {})

      const answer = await send(await mount.serve(router), { path: caller.path, body })

      expect(answer.status).toBe(200)
      expect(await charged(router)).toBe(10n + 50n + 50n)
      // A client that counts by itself comes to the same (Aider #5516).
      expect(toldIn(caller, answer.text, stream)).toEqual({ fresh: 10, cached: 100, output: 5 })
    },
  )

  it.each([
    { of: 'its own', cachedInput: 0.0005, cost: 10n + 50n },
    { of: 'nothing', cachedInput: 0, cost: 10n },
    { of: 'that of input', cachedInput: undefined, cost: 110n },
  ])(
    'cached tokens of a custom price that count twice: once, at $of (LiteLLM #6215, #40016)',
    async ({ cachedInput, cost }) => {
      const upstream = await upstreamThat(scriptOf(wires[0]!, false))
      const router = routerOver([upstream], {
        model: { price: { input: 0.001, output: 0.01, cachedInput } },
        budgets,
        ledger: 'memory',
      })

      await send(await mount.serve(router), { body: chat() })

      expect(await charged(router)).toBe(cost + 50n)
    },
  )
})

describeMounts('a conversation that goes on', (mount) => {
  const call = { id: 'call_1', name: 'look_up', input: '{"b":1,"a":"Hà Nội"}' }
  const schema = { type: 'object', properties: { b: { type: 'number' }, a: { type: 'string' } } }

  /** The turns of one conversation in a dialect: the tools, what is asked, a tool's call and its result, and more. */
  const turnsOf: Record<Speaker['name'], { readonly fixed: object; readonly field: string; readonly turns: object[] }> =
    {
      'openai-chat': {
        fixed: { tools: [{ type: 'function', function: { name: call.name, parameters: schema } }] },
        field: 'messages',
        turns: [
          { role: 'system', content: 'Be short.' },
          { role: 'user', content: 'Where?' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: call.id, type: 'function', function: { name: call.name, arguments: call.input } }],
          },
          { role: 'tool', tool_call_id: call.id, content: 'There.' },
          { role: 'assistant', content: 'There.' },
          { role: 'user', content: 'And then?' },
        ],
      },
      'anthropic-messages': {
        fixed: {
          max_tokens: 50,
          system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral' } }],
          tools: [{ name: call.name, input_schema: schema }],
        },
        field: 'messages',
        turns: [
          { role: 'user', content: 'Where?' },
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: call.id, name: call.name, input: JSON.parse(call.input) }],
          },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'There.' }] },
          { role: 'assistant', content: 'There.' },
          { role: 'user', content: 'And then?' },
        ],
      },
      'openai-responses': {
        fixed: {
          store: false,
          instructions: 'Be short.',
          tools: [{ type: 'function', name: call.name, parameters: schema, strict: false }],
        },
        field: 'input',
        turns: [
          { role: 'user', content: 'Where?' },
          { type: 'function_call', call_id: call.id, name: call.name, arguments: call.input },
          { type: 'function_call_output', call_id: call.id, output: 'There.' },
          { role: 'assistant', content: 'There.' },
          { role: 'user', content: 'And then?' },
        ],
      },
    }

  /** What a provider keeps in its cache: the order of all keys counts. */
  function promptOf(body: Buffer) {
    const { messages, input, ...rest } = JSON.parse(body.toString()) as Record<string, readonly unknown[] | undefined>
    return { turns: (messages ?? input)!.map((turn) => JSON.stringify(turn)), rest: JSON.stringify(rest) }
  }

  it.each(pairs)(
    'reaches the provider as it did before, or its cache is of no use: $caller.name to $provider.name (Bifrost #2333)',
    async ({ caller, provider }) => {
      const upstream = await upstreamThat(json(provider.plain('Hello')))
      const router = routerFor({ models: { auto: provider.model(upstream, { price }) }, budgets, ledger: 'memory' })
      const mounted = await mount.serve(router)
      const { fixed, field, turns } = turnsOf[caller.name]
      const asOf = (length: number) => ({ model: 'auto', ...fixed, [field]: turns.slice(0, length) })

      for (const length of [turns.length - 2, turns.length, turns.length]) {
        const { status, text } = await send(mounted, { path: caller.path, body: asOf(length) })
        expect([status, text]).toEqual([200, expect.anything()])
      }

      const [before, after, again] = upstream.requests.map(({ body }) => promptOf(body))
      expect(again).toEqual(after)
      expect(after!.rest).toBe(before!.rest)
      expect(after!.turns.length).toBeGreaterThan(before!.turns.length)
      expect(after!.turns.slice(0, before!.turns.length)).toEqual(before!.turns)
      expect(upstream.requests[0]!.json()).toMatchObject(caller.name === provider.name ? fixed : {})
    },
  )
})
