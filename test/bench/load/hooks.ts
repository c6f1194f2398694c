import { type Call, type Middleware, type Plugin, createRouter, definePlugin, plainReply } from '@signalbox/core'
import { median } from '../median.ts'
import { chatBody, ordinaryModel } from '../traffic.ts'

/** What eight plugins that do nothing add to a call in process, in microseconds of processor time. */
export interface HooksResult {
  /** Of plugins that hand on what `next` gives. */
  readonly handedOn: number
  /** Of plugins that are async functions. */
  readonly async: number
}

const callsPerSlice = 1_000
/** The first rounds are for the compiler. */
const warmUpRounds = 10

// `node load/hooks.ts SECONDS`: the routers take turns, so that what slows one slows all.
const seconds = Number(process.argv[2])
const body = Buffer.from(chatBody({ model: ordinaryModel, stream: false }))
const answer = definePlugin({
  name: 'answer',
  call: {
    stage: 'admit',
    run: async ({ dialect }) => plainReply({ status: 200, headers: {}, dialect, model: 'a', body }),
  },
})

const eight = (run: Middleware<Call>) =>
  Array.from({ length: 8 }, (_, index) => definePlugin({ name: `no-op-${index}`, call: { stage: 'guard', run } }))
const routerWith = (plugins: readonly Plugin[]) =>
  createRouter({
    models: { [ordinaryModel]: { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', price: false } },
    plugins: [...plugins, answer],
  })
const routers = {
  none: routerWith([]),
  handedOn: routerWith(eight((call, next) => next(call))),
  async: routerWith(eight(async (call, next) => next(call))),
}

async function microsecondsPerCall(router: (typeof routers)['none']): Promise<number> {
  const before = process.cpuUsage()
  for (let call = 0; call < callsPerSlice; call++) await router.handle({ body })
  const { user, system } = process.cpuUsage(before)
  return (user + system) / callsPerSlice
}

const added: { handedOn: number[]; async: number[] } = { handedOn: [], async: [] }
const endAt = performance.now() + seconds * 1_000
for (let round = 0; round < warmUpRounds * 2 || performance.now() < endAt; round++) {
  const none = await microsecondsPerCall(routers.none)
  for (const name of ['handedOn', 'async'] as const) {
    const more = (await microsecondsPerCall(routers[name])) - none
    if (round >= warmUpRounds) added[name].push(more)
  }
}
console.log(JSON.stringify({ handedOn: median(added.handedOn)!, async: median(added.async)! } satisfies HooksResult))
process.exit()
