import { setTimeout as sleep } from 'node:timers/promises'
import { createRouter, openaiCompatible, readBody } from '@signalbox/core'
import type { CacheAnswer, CacheOrder } from './cache-orders.ts'

const [file, baseUrl] = process.argv.slice(2)
const router = createRouter({
  models: { a: openaiCompatible({ baseUrl: baseUrl!, model: 'gpt-4.1', apiKey: 'any', price: false }) },
  cache: { file: file! },
  retry: false,
})
const warnings: string[] = []
router.on('warning', ({ message }) => warnings.push(message))
const layers = new Map<string, string | undefined>()
router.on('cache', ({ callId, layer }) => layers.set(callId, layer))

async function ask(seed: number): Promise<CacheAnswer> {
  const id = `${process.pid}-${seed}-${layers.size}`
  const body = { model: 'a', seed, messages: [{ role: 'user', content: 'Say the seed.' }] }
  const reply = await router.handle({ id, body })
  const { choices } = JSON.parse(Buffer.from(await readBody(reply)).toString())
  return {
    outcome: reply.headers['x-signalbox-cache']!,
    layer: layers.get(id) ?? null,
    content: choices[0].message.content,
  }
}

/** Asks until it is killed, with ever new seeds. */
async function flood(from: number): Promise<never> {
  for (let seed = from; ; seed++) {
    await ask(seed)
    if (seed % 10 === 0) await sleep(0)
  }
}

async function obey(order: CacheOrder): Promise<unknown> {
  if (order.do === 'ask') return Promise.all(order.seeds.map(ask))
  if (order.do === 'warnings') return warnings
  if (order.do === 'close') return router.close()
  void flood(order.from)
  return undefined
}

process.on('message', (order: CacheOrder) => {
  void obey(order).then((answer) => process.send!({ answer }))
})
process.send!({ answer: 'ready' })
