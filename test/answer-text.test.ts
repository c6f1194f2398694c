import { expect, it } from 'vitest'
import { definePlugin, mapAnswerText } from '@signalbox/core'
import { chunkEach, json, lastChunk, streamHead } from '@signalbox/testkit'
import { dataOf, pairs, wholeStream } from './support/dialects.ts'
import { describeReaches } from './support/mounts.ts'
import { routerFor, upstreamThat } from './support/routers.ts'

/** A guard of answers, which looks for a word that streams cut in two. */
const polite = definePlugin({
  name: 'polite',
  call: {
    stage: 'guard',
    run: async (call, next) =>
      mapAnswerText(await next(call), (text) => text.replaceAll('Hello', 'Good day'), {
        hold: (text) => /\w*$/.exec(text)![0].length,
      }),
  },
})

const named = pairs.map(({ caller, provider }) => ({ caller, provider, name: `${provider.name} to ${caller.name}` }))

describeReaches('a guard of answers', (reach) => {
  it.each(named)('changes what a model says, plain and streamed: $name', async ({ caller, provider }) => {
    const upstream = await upstreamThat(({ body }) =>
      JSON.parse(body.toString()).stream
        ? [streamHead(), chunkEach(wholeStream(provider)), lastChunk()]
        : json(provider.plain('Hello you')),
    )
    const router = routerFor({
      models: { a: provider.model(upstream) },
      routes: { auto: { models: ['a'] } },
      plugins: [polite],
    })
    const { url, fetch } = await reach(router)
    const ask = async (stream: boolean) => {
      const body = JSON.stringify(caller.request({ stream }))
      return (await fetch(`${url}${caller.path}`, { method: 'POST', body })).text()
    }
    expect(caller.textOf(JSON.parse(await ask(false)))).toBe('Good day you')
    const streamed = dataOf(await ask(true))
    expect(streamed.map(caller.deltaOf).join('')).toBe('Good day')
    expect(JSON.stringify(streamed)).not.toContain('Hello')
    expect(caller.isEnd(streamed.at(-1))).toBe(true)
  })
})
