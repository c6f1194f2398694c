import { describe, expect, it } from 'vitest'
import {
  type Call,
  type Router,
  type StoredAnswer,
  cacheLayer,
  classifier,
  definePlugin,
  guard,
  refuse,
  streamOf,
} from '@signalbox/core'
import { json, stream } from '@signalbox/testkit'
import { send } from './support/caller.ts'
import { type Wire, dataOf, pairs, speakers, wholeStream, wires } from './support/dialects.ts'
import { describeMounts } from './support/mounts.ts'
import { routerFor, upstreamThat } from './support/routers.ts'

const shout = (bytes: Uint8Array) => Buffer.from(Buffer.from(bytes).toString().replaceAll('Hel', 'HEL'))

async function* shouted(chunks: AsyncIterable<Uint8Array>) {
  for await (const chunk of chunks) yield shout(chunk)
}

/** A plugin of each kind: one that reads, one that changes and refuses, one that changes bytes. */
const plugins = (seen: Call[]) => [
  classifier('length', ({ request }) => ({ long: String(request.text.length > 100) })),
  guard('names', (call) => {
    if (call.request.text.includes('forbidden')) throw refuse('Not that.')
    return { ...call, request: call.request.mapText((text) => text.replaceAll('Ada', '[name]')) }
  }),
  definePlugin({
    name: 'shout',
    call: {
      stage: 'observe',
      async run(call, next) {
        const reply = await next(call)
        const { body } = reply
        return { ...reply, body: body instanceof Uint8Array ? shout(body) : streamOf(shouted(body)) }
      },
    },
  }),
  definePlugin({
    name: 'witness',
    attempt: {
      stage: 'meter',
      run: (attempt, next) => {
        seen.push(attempt.call)
        return next(attempt)
      },
    },
  }),
]

async function routerTo(wire: Wire, streamed: boolean, seen: Call[] = []) {
  const upstream = await upstreamThat(streamed ? stream(wholeStream(wire)) : json(wire.plain('Hello')))
  const router: Router = routerFor({ models: { auto: wire.model(upstream) }, plugins: plugins(seen) })
  return { router, upstream }
}

/** The question of each caller, in which Ada is named. */
const naming = (request: Record<string, unknown>) =>
  JSON.parse(JSON.stringify(request).replaceAll('Say hello.', 'Say hello to Ada.')) as Record<string, unknown>

describeMounts('plugins written once', (mount) => {
  const cases = pairs.flatMap((pair) => [true, false].map((streamed) => ({ ...pair, streamed })))

  it.each(cases)('run from $caller.name to $provider.name, streamed: $streamed', async (one) => {
    const { caller, provider, streamed } = one
    const seen: Call[] = []
    const { router, upstream } = await routerTo(provider, streamed, seen)

    const body = naming(caller.request(streamed ? { stream: true } : {}))
    const answer = await send(await mount.serve(router), { path: caller.path, body })

    const said = streamed ? dataOf(answer.text).map(caller.deltaOf).join('') : caller.textOf(answer.json())
    expect(said).toBe('HELlo')
    expect(upstream.requests[0]!.body.toString()).toContain('Say hello to [name].')
    expect(upstream.requests[0]!.body.toString()).not.toContain('Ada')
    expect(seen).toMatchObject([{ dialect: caller.name, surface: 'chat', labels: { long: 'false' } }])
  })

  it.each(speakers)('refuse in $name', async (caller) => {
    const { router, upstream } = await routerTo(wires[0]!, false)

    const body = JSON.parse(JSON.stringify(caller.request()).replaceAll('Say hello.', 'forbidden')) as object
    const answer = await send(await mount.serve(router), { path: caller.path, body })

    expect(answer.status).toBe(403)
    expect(caller.errorOf(answer.json())).toMatchObject({ code: 'refused', message: 'Not that.' })
    expect(upstream.requests).toHaveLength(0)
  })

  it('never give a caller an answer that was kept in another dialect', async () => {
    const kept = new Map<string, StoredAnswer>()
    const careless = cacheLayer('careless', {
      get: () => kept.get('it'),
      set: (_call, answer) => void kept.set('it', answer),
    })
    const upstream = await upstreamThat(json(wires[0]!.plain('Hello')))
    const router = routerFor({ models: { auto: wires[0]!.model(upstream) }, plugins: [careless] })
    const mounted = await mount.serve(router)

    for (const caller of speakers) {
      const { text } = await send(mounted, { path: caller.path, body: caller.request() })
      expect(caller.textOf(JSON.parse(text))).toBe('Hello')
    }
    expect(upstream.requests).toHaveLength(speakers.length)
  })

  it('run on embeddings', async () => {
    const upstream = await upstreamThat(
      json({
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [1] }],
        model: 'Hel',
        usage: { prompt_tokens: 2, total_tokens: 2 },
      }),
    )
    const seen: Call[] = []
    const router = routerFor({ models: { auto: wires[0]!.model(upstream) }, plugins: plugins(seen) })

    const body = { model: 'auto', input: ['Ada', 'and more'] }
    const answer = await send(await mount.serve(router), { path: '/embeddings', body })

    expect(answer.json()).toMatchObject({ model: 'HEL', data: [{ embedding: [1] }] })
    expect(upstream.requests[0]!.json()).toEqual({ model: 'gpt-4.1', input: ['[name]', 'and more'] })
    expect(seen).toMatchObject([{ surface: 'embeddings', request: { text: '[name]\nand more' } }])
  })
})

describe('the view of a request', () => {
  const tool = { description: 'The weather.', schema: { type: 'object' } }
  const bodies = {
    'openai-chat': {
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'sunny' },
      ],
      tools: [{ type: 'function', function: { name: 'f', description: tool.description, parameters: tool.schema } }],
      max_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      stream: true,
    },
    'anthropic-messages': {
      system: 'Be brief.',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'f', input: {} }] },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text: 'sunny' }] }],
        },
      ],
      tools: [{ name: 'f', description: tool.description, input_schema: tool.schema }],
      max_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      stream: true,
    },
    'openai-responses': {
      instructions: 'Be brief.',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Hi' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'sunny' },
      ],
      tools: [{ type: 'function', name: 'f', description: tool.description, parameters: tool.schema }],
      max_output_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      stream: true,
    },
  } as const

  /** What a plugin sees of a body, and what it becomes when the plugin changes it. */
  async function seenOf(dialect: keyof typeof bodies) {
    const seen: Call[] = []
    const { router } = await routerTo(wires[0]!, true, seen)
    await router.handle({ dialect, body: { model: 'auto', ...bodies[dialect] } })
    return seen[0]!.request
  }

  it.each(Object.keys(bodies) as (keyof typeof bodies)[])('is the same in %s', async (dialect) => {
    const request = await seenOf(dialect)

    expect(request.messages.map(({ text }) => text)).toEqual(['Be brief.', 'Hi', '', 'sunny'])
    expect(request.messages.map(({ unspoken }) => unspoken)).toEqual([undefined, undefined, 'f\n{}', undefined])
    expect(request.messages.slice(0, 2).map(({ role }) => role)).toEqual(['system', 'user'])
    expect(request.tools).toEqual([{ name: 'f', description: 'The weather.', inputSchema: { type: 'object' } }])
    expect(request.parameters).toEqual({ stream: true, maxOutputTokens: 50, temperature: 0.5, topP: 0.9 })
    expect([...request.modality]).toEqual(['text', 'image'])
    expect(request.media.parts).toEqual([{ kind: 'image' }])
    expect(request.media.bytes).toBeGreaterThanOrEqual(4)
  })

  it.each(Object.keys(bodies) as (keyof typeof bodies)[])('is changed in the words of %s', async (dialect) => {
    const request = await seenOf(dialect)

    const changed = request
      .mapText((text, role) => `${role}: ${text}`)
      .withParameters({ maxOutputTokens: 7, temperature: 0.25 })

    const texts = changed.messages.map(({ text }) => text).filter((text) => text.includes(': '))
    expect(texts.slice(0, 2)).toEqual(['system: Be brief.', 'user: Hi'])
    expect(texts[2]).toMatch(/^(tool|user): sunny$/)
    expect(changed.parameters).toEqual({ stream: true, maxOutputTokens: 7, temperature: 0.25, topP: 0.9 })
    expect(JSON.parse(Buffer.from(changed.bytes).toString())).toEqual(changed.body)
    expect(Object.keys(changed.body)).toEqual(Object.keys(request.body))
  })
})
