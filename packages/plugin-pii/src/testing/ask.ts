import {
  type Call,
  type DialectName,
  type Plugin,
  createRouter,
  definePlugin,
  plainReply,
  readBody,
  streamOf,
  streamReply,
} from '@signalbox/core'
import pii from '../index.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
export type Json = any

/** What a model answers: a plain body, or the chunks of a stream. */
export type Answer = object | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** A router with a model that answers as it is told, and the plugin. */
export function routerFor(answer: (call: Call) => Answer, plugin: Plugin = pii()) {
  const model = definePlugin({
    name: 'model',
    call: {
      stage: 'admit',
      async run(call) {
        const head = { status: 200, headers: {}, dialect: call.dialect, model: 'a' }
        const said = answer(call)
        return Symbol.iterator in said || Symbol.asyncIterator in said
          ? streamReply({ ...head, body: streamOf(said) })
          : plainReply({ ...head, body: Buffer.from(JSON.stringify(said)) })
      },
    },
  })
  return createRouter({ models: { a: { provider: 'openai' } }, plugins: [model, plugin] })
}

/** Asks that model; gives what it was sent, and what the caller reads. */
export async function ask(
  { dialect = 'openai-chat', ...body }: { readonly dialect?: DialectName; readonly [field: string]: unknown },
  answer: Answer | ((sent: Json) => Answer),
  plugin?: Plugin,
): Promise<{ readonly sent: Json; readonly bytes: string; readonly text: string }> {
  let seen: Call | undefined
  const router = routerFor((call) => {
    seen = call
    return typeof answer === 'function' ? answer(call.request.body) : answer
  }, plugin)
  const reply = await router.handle({ dialect, body: { model: 'a', ...body } })
  const text = Buffer.from(await readBody(reply)).toString()
  await router.close()
  return { sent: seen!.request.body, bytes: Buffer.from(seen!.request.bytes).toString(), text }
}
