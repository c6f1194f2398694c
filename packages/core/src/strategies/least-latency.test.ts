import { createFakeClock, createSimulatedDispatcher, seededRandom } from '@signalbox/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { createRouter, openaiCompatible } from '../index.ts'
import { readBody } from '../reply.ts'

it('chooses for streams by their first content, whatever whole answers take', async () => {
  const clock = createFakeClock({ turns: 1 })
  const random = seededRandom(2)
  const model = (name: string, wholeMs: number, firstTokenShare: number) =>
    openaiCompatible({
      baseUrl: `http://${name}.invalid/v1`,
      dispatcher: createSimulatedDispatcher({ clock, random, latencyMs: () => wholeMs, firstTokenShare }),
    })
  const router = createRouter({
    models: { talks: model('talks', 2_200, 0.05), thinks: model('thinks', 2_000, 0.7) },
    routes: { auto: { strategy: { use: 'least-latency', windowMs: 60_000 }, models: ['talks', 'thinks'] } },
    clock,
    random,
    health: false,
  })
  onTestFinished(() => router.close())
  const streams: string[] = []
  for (let sent = 0; sent < 400; sent++) {
    const stream = sent % 2 === 0
    const { reply, record } = router.begin({ body: { model: 'auto', stream, messages: [] } })
    void reply.then(readBody)
    await clock.advance(700)
    if (stream) streams.push(record.candidates[0]!.name)
  }
  await clock.advance(10_000)
  expect(streams.filter((name) => name === 'talks').length / streams.length).toBeGreaterThan(0.85)
})
