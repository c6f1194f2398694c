import {
  type Plugin,
  type Router,
  createRouter,
  definePlugin,
  isSignalboxError,
  openaiCompatible,
  readBody,
} from '@signalbox/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { frozen } from './frozen.ts'
import { type Surface, faces, plainText, streamText, surfaces } from './plugin-contract-faces.ts'
import { chunk, lastChunk, streamHead } from './programmable-upstream/http-steps.ts'
import { completion, fixtureUsage, jsonError, streamEvents } from './programmable-upstream/openai-fixtures.ts'
import { type Script, hang, reset, waitFor } from './programmable-upstream/steps.ts'
import { type ProgrammableUpstream, startProgrammableUpstream } from './programmable-upstream.ts'

/** What a plugin's contract is tried with. */
export interface PluginContractOptions {
  /** A prompt that the plugin lets through. @default 'What is 17 * 23?' */
  readonly prompt?: string
  /** Further fields of the request. */
  readonly request?: object
  /** What the model says, and what the caller is to read. @default the same text for both */
  readonly answer?: { readonly said: string; readonly read: string }
  /** What else the router needs besides a model `a` and the plugin. */
  readonly router?: Partial<Parameters<typeof createRouter>[0]>
}

/**
 * The tests that every plugin passes: it declares its place, lets calls through on every face, changes nothing that it was
 * given, keeps no stream back, lets the upstream go with its caller, says what was used, takes no answer for that of
 * another question, and hides no failure, of a model or of its own. Call it in a test file; it declares a suite.
 *
 * @param make makes a new plugin, with options if it takes any
 * @example
 * pluginContract(() => region({ region: 'eu' }))
 */
export function pluginContract(make: () => Plugin, options: PluginContractOptions = {}): void {
  const { prompt = 'What is 17 * 23?', answer = { said: 'It is 391.', read: 'It is 391.' } } = options
  const pieces = answer.said.split(/(?<= )/)
  const body = (extra: object = {}) => ({
    model: 'a',
    messages: [{ role: 'user', content: prompt }],
    ...options.request,
    ...extra,
  })
  const said = async (boxes: Router) => plainText(await faces['in process'](boxes, chat, body()), chat)

  describe(`plugin contract: ${make().name}`, () => {
    let upstream: ProgrammableUpstream
    let router: Router
    let warnings: string[]

    const boxed = (...others: readonly Plugin[]) => {
      const model = openaiCompatible({ baseUrl: upstream.baseUrl, model: 'gpt-4.1', apiKey: 'any', price: false })
      return createRouter({
        models: { a: model },
        retry: false,
        untranslatable: 'report',
        ...options.router,
        plugins: [...others, make()],
      })
    }

    beforeEach(async () => {
      upstream = await startProgrammableUpstream()
      upstream.respond(({ json }) =>
        (json() as { stream?: boolean }).stream ? streamed(pieces) : completion({ content: answer.said }),
      )
      router = boxed(frozen)
      warnings = []
      // A hook that is stepped over, and a reply that is lost, fail no call.
      router.on('warning', ({ plugin, message }) => plugin !== undefined && warnings.push(message))
    })
    afterEach(async () => {
      await router.close({ timeoutMs: 100 })
      await upstream.close()
      expect(warnings).toEqual([])
    })

    it('declares its place: it stands there whatever is registered before or after it', async () => {
      const plugin = make()
      const others = ['one', 'two'].map((name) =>
        definePlugin({ name, call: { stage: 'guard', run: (call, next) => next(call) } }),
      )
      const model = openaiCompatible({ baseUrl: upstream.baseUrl })
      const stagesOf = async (plugins: readonly Plugin[]) => {
        const one = createRouter({ models: { a: model }, ...options.router, plugins })
        await one.close()
        return one.order.filter((hook) => hook.plugin === plugin.name).map(({ ring, stage }) => `${ring} ${stage}`)
      }
      const before = await stagesOf([make(), ...others])
      expect(await stagesOf([...others, make()])).toEqual(before)
      const rings = (['call', 'route', 'attempt'] as const).filter((ring) => plugin[ring] !== undefined)
      expect(before.map((place) => place.split(' ')[0])).toEqual(rings)
    })

    it.each(['in process', 'through fetch', 'over HTTP'] as const)(
      'answers calls %s, plain and streamed, in every dialect',
      async (face) => {
        const ask = faces[face]
        for (const surface of surfaces) {
          const asked = { model: 'a', ...surface.ask(prompt), ...options.request }
          expect(plainText(await ask(router, surface, asked), surface), surface.dialect).toBe(answer.read)
          const text = await ask(router, surface, { ...asked, stream: true })
          expect(streamText(text, surface), surface.dialect).toBe(answer.read)
          expect(text.trimEnd().split('\n').at(-1), surface.dialect).toContain(surface.end)
        }
      },
    )

    it('changes nothing that it was given', async () => {
      // What it is given is frozen to the bottom here: a plugin that writes into it fails, and is named.
      await expect(router.handle({ body: body() })).resolves.toMatchObject({ status: 200 })
    })

    it('says what was used', async () => {
      // Two questions: the same one may be answered from memory.
      for (const extra of [{}, { stream: true, stop: ['391'] }]) {
        const reply = await router.handle({ body: body(extra) })
        await readBody(reply)
        const { how, usage } = await reply.ended
        expect([how, usage.outputTokens]).toEqual(['complete', fixtureUsage.completion_tokens])
      }
    })

    it('takes no answer for that of another question', async () => {
      const others = [{ stop: ['391'] }, { messages: [{ role: 'user', content: `${prompt} And why? ${unlike}` }] }]
      for (const extra of [{}, ...others]) {
        const before = upstream.requests.length
        await readBody(await router.handle({ body: body({ temperature: 0, ...extra }) }))
        expect(upstream.requests.length, JSON.stringify(extra)).toBeGreaterThan(before)
      }
    })

    it('keeps no stream back: content comes before the model has ended', async () => {
      let open: (() => void) | undefined
      const gate = new Promise<void>((resolve) => (open = resolve))
      const [role = '', ...rest] = streamEvents({ content: pieces })
      const long = streamEvents({ content: Array.from({ length: 20 }, () => 'More and more words. ') }).slice(1, -2)
      upstream.respond([streamHead(), chunk(role), ...long.map(chunk), waitFor(gate), ...rest.map(chunk), lastChunk()])
      const reply = await router.handle({ body: body({ stream: true }) })
      let text = ''
      for await (const piece of reply.body as AsyncIterable<Uint8Array>) {
        text += Buffer.from(piece).toString()
        if (streamText(text.slice(0, text.lastIndexOf('\n') + 1), chat) !== '') open!()
      }
      expect(text).toContain('[DONE]')
    })

    it('lets the model go when its caller leaves', async () => {
      const [role = '', first = ''] = streamEvents({ content: pieces })
      upstream.respond([streamHead(), chunk(role), ...Array.from({ length: 20 }, () => chunk(first)), hang()])
      const isClosed = (index: number) => upstream.requests[index]!.closedByPeer !== undefined
      const leaving = new AbortController()
      const reply = await router.handle({ body: body({ stream: true }), signal: leaving.signal })
      leaving.abort()
      reply.cancel()
      await until('a stream is closed when its caller leaves', () => isClosed(0))

      const givenUp = await router.handle({ body: body({ stream: true }) })
      givenUp.cancel()
      await until('a stream is closed when it is cancelled', () => isClosed(1))

      upstream.respond(hang())
      const waiting = new AbortController()
      let failure: unknown
      router.handle({ body: body(), signal: waiting.signal }).catch((error: unknown) => (failure = error))
      await until('the model is asked', () => upstream.requests.length === 3)
      waiting.abort()
      await until('a call fails when its caller leaves', () => failure !== undefined)
      expect(failure).toMatchObject({ code: 'cancelled' })
      await until('a request is closed when its caller leaves', () => isClosed(2))
    })

    it('hides no failure of the model, and takes none for its own', async () => {
      upstream.respond(jsonError(400, { message: 'no such parameter' }))
      const error: unknown = await router.handle({ body: body() }).catch((thrown: unknown) => thrown)
      expect(isSignalboxError(error) && [error.code, error.plugin]).toEqual(['upstream_rejected', undefined])

      const [role = '', first = ''] = streamEvents({ content: pieces })
      const more = Array.from({ length: 20 }, () => chunk(first))
      const begun = Promise.withResolvers<void>()
      upstream.respond([streamHead(), chunk(role), ...more, waitFor(begun.promise), reset()])
      const reply = await router.handle({ body: body({ stream: true }) })
      begun.resolve()
      await readBody(reply).catch(() => undefined)
      expect((await reply.ended).how).toBe('cut')
    })

    it('can be set up and closed more than once, each time anew', async () => {
      const another = boxed()
      expect(await said(another)).toBe(answer.read)
      await another.close()
      expect(await said(router)).toBe(answer.read)
    })
  })
}

const [chat] = surfaces as readonly [Surface]

/** Text that shares nothing with what may have been asked. */
const unlike = 'Quartz jukeboxes vex gymnasts: buzz, hymn, waltz, phlox, fjord.'

function streamed(pieces: readonly string[]): Script {
  return [streamHead(), ...streamEvents({ content: pieces, usage: fixtureUsage }).map(chunk), lastChunk()]
}

/** Less than vitest gives a test of itself: else it would only say that time was up. */
const longestWaitMs = 4_000

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + longestWaitMs
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not come true: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
