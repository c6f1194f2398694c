import {
  type FakeClock,
  type ProgrammableUpstream,
  type Script,
  chunk,
  completion,
  createFakeClock,
  hang,
  html,
  json,
  lastChunk,
  reset,
  startProgrammableUpstream,
  streamEvents,
  streamHead,
} from '@signalbox/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readBody } from '../reply.ts'
import { type Router, createRouter } from '../router.ts'
import { tokensOf } from '../tokens/request.ts'
import { openaiChat } from '../dialects/openai-chat/index.ts'

let upstream: ProgrammableUpstream
let clock: FakeClock
let router: Router

/** 1 nano-USD for a token of input, 10 for one of output. */
const price = { input: 0.001, output: 0.01 }

beforeEach(async () => {
  upstream = await startProgrammableUpstream()
  clock = createFakeClock()
})

afterEach(async () => {
  await router.close({ timeoutMs: 0 })
  await upstream.close()
})

const messages = [{ role: 'user', content: 'How many tokens are in this sentence?' }]
const input = tokensOf(openaiChat.parse({ model: 'a', messages })).inputTokens

async function setUp(script: Script, limits: { concurrency?: number } = {}) {
  upstream.respond(script)
  const model = { provider: 'openai', baseUrl: upstream.baseUrl, apiKey: 'k', price, limits } as const
  router = createRouter({
    models: { a: model },
    budgets: [{ per: 'all', window: 'day', limitUsd: 1, alertAt: 0.000_000_000_1 }],
    ledger: 'memory',
    retry: false,
    breaker: false,
    clock,
  })
  const spent: (string | undefined)[] = []
  router.on('budget.alert', ({ settledUsd, heldUsd }) => void spent.push(settledUsd, heldUsd))
  const leaving = new AbortController()
  const begin = (stream: boolean, dialect: 'openai-chat' | 'openai-responses' = 'openai-chat') => {
    const asked = dialect === 'openai-chat' ? { messages, max_tokens: 100 } : { input: 'hi', max_output_tokens: 100 }
    return router.begin({ body: { model: 'a', ...asked, stream }, dialect, signal: leaving.signal })
  }
  return { begin, leaving, spent }
}

async function settle(until: () => boolean = () => true) {
  for (let turn = 0; turn < 3 || (turn < 500 && !until()); turn++) await clock.settle()
}

/** What stands in the record, in the ledger and in the budget: one and the same. */
async function charged(call: ReturnType<Router['begin']>, spent: readonly (string | undefined)[]) {
  await settle(() => call.record.attempts.every(({ endedMs }) => endedMs !== undefined))
  const [attempt] = call.record.attempts
  const [row] = [...router.ledger!.attempts()]
  expect(row?.costNanoUsd ?? 0n).toBe(BigInt(attempt?.costNanoUsd ?? 0))
  expect(row?.estimated ?? false).toBe(attempt?.estimated ?? false)
  const settled = Math.round(Number(spent[0] ?? 0) * 1e9)
  expect(settled).toBe(attempt?.costNanoUsd ?? 0)
  expect(spent[1] ?? '0').toBe('0')
  return { nanoUsd: attempt?.costNanoUsd, estimated: attempt?.estimated }
}

const usage = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 }
const events = (withUsage: boolean) =>
  streamEvents({ content: ['four', 'more', 'word'], ...(withUsage && { usage }), done: false })

describe('what a caller is charged who leaves', () => {
  it('before anything is sent is nothing', async () => {
    const { begin, leaving, spent } = await setUp(completion({ content: 'x' }))
    leaving.abort()
    const call = begin(true)
    await expect(call.reply).rejects.toMatchObject({ code: 'cancelled' })
    expect(await charged(call, spent)).toEqual({ nanoUsd: undefined, estimated: undefined })
    expect(upstream.requests).toHaveLength(0)
  })

  it('in the queue is nothing', async () => {
    const { begin, leaving } = await setUp(hang(), { concurrency: 1 })
    const first = begin(false)
    await settle(() => upstream.requests.length === 1)
    const second = begin(false)
    await settle()
    leaving.abort()
    await Promise.allSettled([first.reply, second.reply])
    await settle()
    expect(second.record.attempts).toEqual([])
    expect([...router.ledger!.attempts()]).toHaveLength(1)
  })

  it('before the first byte is the input, estimated', async () => {
    for (const stream of [true, false]) {
      const { begin, leaving, spent } = await setUp(hang())
      const before = upstream.requests.length
      const call = begin(stream)
      await settle(() => upstream.requests[before]?.bodyComplete === true)
      leaving.abort()
      await expect(call.reply).rejects.toMatchObject({ code: 'cancelled' })
      expect(await charged(call, spent)).toEqual({ nanoUsd: input, estimated: true })
    }
  })

  for (const withUsage of [true, false]) {
    it(`mid-stream is the input and what came, estimated, ${withUsage ? 'though' : 'and'} usage would ${withUsage ? '' : 'not '}have come`, async () => {
      const { begin, leaving, spent } = await setUp([
        streamHead(),
        chunk(events(withUsage).slice(0, 3).join('')),
        hang(),
      ])
      const call = begin(true)
      const reply = await call.reply
      await settle()
      await settle()
      leaving.abort()
      expect((await reply.ended).how).toBe('cancelled')
      expect(await charged(call, spent)).toEqual({ nanoUsd: input + 20, estimated: true })
    })

    it(`after finish_reason is ${withUsage ? 'what the provider said' : 'the input and all that came, estimated'}`, async () => {
      const { begin, leaving, spent } = await setUp([streamHead(), chunk(events(withUsage).join('')), hang()])
      const call = begin(true)
      const reply = await call.reply
      await settle()
      await settle()
      leaving.abort()
      await reply.ended
      expect(await charged(call, spent)).toEqual(
        withUsage ? { nanoUsd: 97, estimated: false } : { nanoUsd: input + 30, estimated: true },
      )
    })
  }
})

describe('what is charged for an answer', () => {
  it('is what the provider said, or the input and the text where it says nothing', async () => {
    const said = await setUp(completion({ content: 'twelve bytes', usage }))
    const first = said.begin(false)
    await first.reply
    expect(await charged(first, said.spent)).toEqual({ nanoUsd: 97, estimated: false })
    const silent = await setUp(completion({ content: 'twelve bytes', usage: false }))
    const second = silent.begin(false)
    await second.reply
    expect(await charged(second, silent.spent)).toEqual({ nanoUsd: input + 30, estimated: true })
  })

  it('of a stream is the same', async () => {
    for (const withUsage of [true, false]) {
      const { begin, spent } = await setUp([streamHead(), chunk(events(withUsage).join('')), lastChunk()])
      const call = begin(true)
      await readBody(await call.reply)
      expect(await charged(call, spent)).toEqual(
        withUsage ? { nanoUsd: 97, estimated: false } : { nanoUsd: input + 30, estimated: true },
      )
    }
  })

  it('that is malformed is the input, estimated', async () => {
    for (const script of [html(200, '<html>'.repeat(500)), json({ odd: 'x'.repeat(5_000) })]) {
      const { begin, spent } = await setUp(script)
      const call = begin(false)
      await expect(call.reply).rejects.toMatchObject({ code: 'bad_upstream_response' })
      expect(await charged(call, spent)).toEqual({ nanoUsd: input, estimated: true })
    }
  })

  it('that came whole where a stream was asked for is what it says', async () => {
    const { begin, spent } = await setUp(completion({ content: 'x', usage }))
    const call = begin(true)
    await expect(call.reply).rejects.toMatchObject({ code: 'bad_upstream_response' })
    expect(await charged(call, spent)).toEqual({ nanoUsd: 97, estimated: false })
  })

  it('whose count nobody can believe is an estimate', async () => {
    const { begin, spent } = await setUp(
      completion({ content: 'four', usage: { prompt_tokens: 1e300, completion_tokens: 5 } }),
    )
    const call = begin(false)
    await call.reply
    expect(await charged(call, spent)).toEqual({ nanoUsd: input + 10, estimated: true })
  })

  it('that is cut off after a first count, as vLLM and Gemini give one with each chunk, is that input and what came', async () => {
    const counted = events(false).slice(0, 4)
    const first = counted[0]!.replace(
      /}\n\n$/,
      ',"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}}\n\n',
    )
    const { begin, leaving, spent } = await setUp([streamHead(), chunk([first, ...counted.slice(1)].join('')), hang()])
    const call = begin(true)
    const reply = await call.reply
    await settle()
    await settle()
    leaving.abort()
    await reply.ended
    expect(await charged(call, spent)).toEqual({ nanoUsd: 37, estimated: true })
  })

  it.each([
    ['openai-chat', 'before it says anything', []],
    ['openai-chat', 'in the middle', [{ choices: [{ index: 0, delta: { content: 'four' }, finish_reason: null }] }]],
    [
      'openai-responses',
      'before it says anything',
      [{ type: 'response.created', response: { status: 'in_progress' } }],
    ],
    ['openai-responses', 'in the middle', [{ type: 'response.output_text.delta', delta: 'four' }]],
  ] as const)('of a stream in %s that fails %s is what the failure says was used', async (dialect, _where, before) => {
    const error = { message: 'late', code: 'server_error' }
    const failure = {
      'openai-chat': { error, usage },
      'openai-responses': {
        type: 'response.failed',
        response: { status: 'failed', error, usage: { input_tokens: 7, output_tokens: 9, total_tokens: 16 } },
      },
    }[dialect]
    const written = [...before, failure].map((event) => `data: ${JSON.stringify(event)}\n\n`)
    const { begin, spent } = await setUp([streamHead(), chunk(written.join('')), lastChunk()])
    const call = begin(true, dialect)
    await call.reply.then(readBody).catch(() => undefined)
    expect(await charged(call, spent)).toEqual({ nanoUsd: 97, estimated: false })
  })

  it('that is cut off is the input and what came', async () => {
    const { begin, spent } = await setUp([streamHead(), chunk(events(false).slice(0, 3).join('')), reset()])
    const call = begin(true)
    await readBody(await call.reply).catch(() => undefined)
    expect(await charged(call, spent)).toEqual({ nanoUsd: input + 20, estimated: true })
  })
})
