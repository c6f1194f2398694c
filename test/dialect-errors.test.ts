import { BadRequestError, InternalServerError, NotFoundError, OverloadedError, RateLimitError } from '@anthropic-ai/sdk'
import * as sdk from '@anthropic-ai/sdk'
import { ThreadUnsupportedRequestError } from '@anthropic-ai/sdk/resources/messages'
import * as openaiSdk from 'openai'
import { describe, expect, it } from 'vitest'
import { SignalboxError, type SignalboxErrorCode, anthropic, definePlugin } from '@signalbox/core'
import { completion, json, sse, stream, streamEvents } from '@signalbox/testkit'
import { errorVerdicts } from '../packages/core/src/errors.ts'
import { errorStatuses } from '../packages/core/src/http/errors.ts'
import { send } from './support/caller.ts'
import { speakers, wires } from './support/dialects.ts'
import { anthropicClient, describeMounts, describeReaches, mounts, openaiClient } from './support/mounts.ts'
import { modelAt, routerFor, upstreamThat } from './support/routers.ts'

const nowhere = { baseUrl: 'http://127.0.0.1:1/v1' }
const codes = Object.keys(errorVerdicts) as SignalboxErrorCode[]

/** A router that answers everything with one error. */
const routerThatThrows = (code: SignalboxErrorCode) =>
  routerFor({
    models: { auto: modelAt(nowhere) },
    plugins: [
      definePlugin({ name: 'thrower', call: () => Promise.reject(new SignalboxError(code, `This is ${code}`)) }),
    ],
  })

describeMounts('an error of each code', (mount) => {
  it.each(codes)('%s has the shape of each dialect', async (code) => {
    const mounted = await mount.serve(routerThatThrows(code))

    for (const { path, request, errorOf } of speakers) {
      const answer = await send(mounted, { path, body: request() })
      const told = errorOf(answer.json())

      expect(answer.status).toBe(errorStatuses[code])
      expect(told).toEqual({ code, message: `This is ${code}`, type: expect.any(String) })
    }
  })

  it.each(codes)('%s names a type that Anthropic has, and its request', async (code) => {
    const answer = await send(await mount.serve(routerThatThrows(code)), {
      path: '/messages',
      body: speakers[1]!.request(),
    })

    const { type, error } = answer.json()
    expect(type).toBe('error')
    expect(anthropicTypes).toContain(error.type)
    expect(answer.headers['request-id']).toBe(answer.headers['x-request-id'])
  })

  it('of a path that is not there, or a method that it does not take, is in the dialect that the headers tell', async () => {
    const mounted = await mount.serve(routerThatThrows('internal_error'))
    const headers = { 'anthropic-version': '2023-06-01' }

    const method = await send(mounted, { method: 'DELETE', path: '/models', headers })
    const model = await send(mounted, { method: 'GET', path: '/models/nothing', headers })
    const openais = await send(mounted, { method: 'GET', path: '/models/nothing' })

    expect(method.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
    expect(model.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    expect(openais.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } })
  })
})

// The listener has no parser in front.
describe.each(mounts.filter(({ name }) => name !== 'listener'))(
  'what a body parser in front threw, on $name',
  (mount) => {
    it('is told in the dialect of the path', async () => {
      const mounted = await mount.serve(routerThatThrows('internal_error'), { parserLimit: '100b' })

      const answer = await send(mounted, { path: '/messages', body: { model: 'auto', messages: 'x'.repeat(500) } })

      expect(answer.status).toBe(413)
      expect(answer.json()).toMatchObject({ type: 'error', error: { type: 'request_too_large' } })
    })
  },
)

const anthropicTypes = [
  'invalid_request_error',
  'authentication_error',
  'billing_error',
  'permission_error',
  'not_found_error',
  'request_too_large',
  'rate_limit_error',
  'timeout_error',
  'overloaded_error',
  'api_error',
]

describeReaches('the official clients', (reach) => {
  const message = { model: 'auto', max_tokens: 10, messages: [{ role: 'user' as const, content: 'hello' }] }

  it.each([
    ['invalid_body', BadRequestError, openaiSdk.BadRequestError],
    ['unauthenticated', sdk.AuthenticationError, openaiSdk.AuthenticationError],
    ['forbidden', sdk.PermissionDeniedError, openaiSdk.PermissionDeniedError],
    ['model_not_found', NotFoundError, openaiSdk.NotFoundError],
    ['budget_exceeded', RateLimitError, openaiSdk.RateLimitError],
    ['rate_limit_exceeded', RateLimitError, openaiSdk.RateLimitError],
    ['all_models_unavailable', InternalServerError, openaiSdk.InternalServerError],
  ] as const)('raise their own class for %s', async (code, anthropics, openais) => {
    const reached = await reach(routerThatThrows(code))
    const openai = openaiClient(reached)

    await expect(anthropicClient(reached).messages.create(message)).rejects.toBeInstanceOf(anthropics)
    await expect(anthropicClient(reached).messages.stream(message).finalMessage()).rejects.toBeInstanceOf(anthropics)
    await expect(openai.chat.completions.create(message)).rejects.toBeInstanceOf(openais)
    await expect(openai.responses.create({ model: 'auto', input: 'hello' })).rejects.toBeInstanceOf(openais)
    await expect(openai.embeddings.create({ model: 'auto', input: 'hello' })).rejects.toBeInstanceOf(openais)
  })

  it('raise the class for a thread, which is refused so that the client sends the whole conversation', async () => {
    const client = anthropicClient(await reach(routerThatThrows('internal_error')))

    const asked = client.beta.messages.create({ ...message, thread: { type: 'create' } })

    await expect(asked).rejects.toBeInstanceOf(ThreadUnsupportedRequestError)
    await expect(asked).rejects.toMatchObject({ status: 400, errorCode: 'thread_unsupported_request' })
  })

  it.each(wires)("raise the class for a provider's own refusal, of $name", async ({ model, errorBody }) => {
    const upstream = await upstreamThat(json(errorBody, { status: 400 }))
    const reached = await reach(routerFor({ models: { auto: model(upstream) } }))
    const words = expect.objectContaining({ message: expect.stringContaining('In the words of the provider') })

    await expect(anthropicClient(reached).messages.create(message)).rejects.toBeInstanceOf(BadRequestError)
    await expect(anthropicClient(reached).messages.create(message)).rejects.toEqual(words)
    await expect(openaiClient(reached).chat.completions.create(message)).rejects.toBeInstanceOf(
      openaiSdk.BadRequestError,
    )
    await expect(openaiClient(reached).chat.completions.create(message)).rejects.toEqual(words)
  })

  const words = 'The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).'
  it.each([
    ['in a list, as Gemini does', [{ error: { code: 400, message: words, status: 'INVALID_ARGUMENT' } }]],
    ['in `detail`, as FastAPI does', { detail: words }],
  ])('say what the provider said that refuses %s', async (_how, body) => {
    const upstream = await upstreamThat(json(body, { status: 400 }))
    const reached = await reach(routerFor({ models: { auto: modelAt(upstream) } }))
    const said = { status: 400, message: expect.stringContaining(words) }

    const { chat, responses } = openaiClient(reached)
    const refused = expect.objectContaining({ ...said, code: 'context_length_exceeded' })
    await expect(chat.completions.create(message)).rejects.toEqual(refused)
    await expect(responses.create({ model: 'auto', input: 'hello' })).rejects.toEqual(refused)
    await expect(anthropicClient(reached).messages.create(message)).rejects.toMatchObject({
      ...said,
      type: 'invalid_request_error',
    })
  })

  it('raise the class for an overloaded provider', async () => {
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    const upstream = await upstreamThat(json(overloaded, { status: 529 }))
    const models = { auto: anthropic('claude-sonnet-4-5', { baseUrl: upstream.baseUrl, apiKey: 'key' }) }
    const reached = await reach(routerFor({ models, retry: false }))

    await expect(anthropicClient(reached).messages.create(message)).rejects.toBeInstanceOf(OverloadedError)
    await expect(openaiClient(reached).chat.completions.create(message)).rejects.toMatchObject({ status: 529 })
  })

  it.each([
    { previous_response_id: 'resp_1' },
    { store: true },
    { background: true },
    { conversation: 'conv_1' },
    { prompt: { id: 'pmpt_1' } },
    { input: [{ type: 'item_reference' as const, id: 'msg_1' }] },
  ])('are told what a stateless router cannot do: %j', async (asked) => {
    const client = openaiClient(await reach(routerThatThrows('internal_error')))

    await expect(client.responses.create({ model: 'auto', input: 'hello', ...asked })).rejects.toMatchObject({
      status: 400,
      code: 'state_unsupported',
      param: Object.keys(asked)[0],
    })
  })
})

it.each([false, true])(
  'an answer that ended with an error is none: the next model is asked (streamed: %s)',
  async (streams) => {
    const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 }
    const failed = (said: object) => ({ id: 'x', choices: [{ index: 0, ...said, finish_reason: 'error' }], usage })
    const broken = await upstreamThat(
      streams ? stream([sse(failed({ delta: { content: '' } }))]) : json(failed({ message: { content: 'Hal' } })),
    )
    const whole = await upstreamThat(
      streams ? stream(streamEvents({ content: ['Hello'] })) : completion({ content: 'Hello' }),
    )
    const price = { input: 0.001, output: 0.01 }
    const models = { a: modelAt(broken, { price }), b: modelAt(whole, { price }) }
    const router = routerFor({ models, routes: { auto: { models: ['a', 'b'] } }, ledger: 'memory', retry: false })

    const body = JSON.stringify({ ...speakers[0]!.request(), stream: streams })
    const answer = await router.fetch('http://in.process/v1/chat/completions', { method: 'POST', body })

    expect(await answer.text()).toContain('Hello')
    expect(answer.headers.get('x-signalbox-model')).toBe('b')
    // 5 tokens of input and 3 of output, which the first had used.
    expect([...router.ledger!.attempts()][0]).toMatchObject({ model: 'a', costNanoUsd: 35n, estimated: false })
  },
)
