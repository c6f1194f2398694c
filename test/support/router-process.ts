import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Reply, createRouter, isSignalboxError, openaiCompatible, seededRandom } from '@signalbox/core'
import { type BillingPlan, type RouterOrder, type RouterProcessOptions, stormBudgets } from './billing-orders.ts'

const { baseUrl, price, limitUsd, store, ledger, acknowledged } = JSON.parse(process.argv[2]!) as RouterProcessOptions
const router = createRouter({
  models: {
    a: openaiCompatible({ baseUrl, model: 'billed', apiKey: 'k', price, maxOutputTokens: 2_000 }),
  },
  budgets: stormBudgets(limitUsd),
  store,
  ledger,
  retry: { maxAttempts: 2 },
  breaker: false,
  health: false,
  // A machine whose processors others take may stand for longer than a connection may take to be made.
  timeouts: { connectMs: 60_000 },
})
router.on('entry', ({ callKey }) => appendFileSync(acknowledged, `${callKey}\n`))
let calls = 0

interface Asking {
  readonly plan: Omit<BillingPlan, 'call'>
  readonly maxTokens: number | undefined
  readonly stream: boolean
}

/** Makes one call as planned; the code of what stopped it. */
async function ask({ plan, maxTokens, stream }: Asking): Promise<string> {
  const leaving = new AbortController()
  const id = `${process.pid}-${Date.now()}-${(calls += 1)}`
  const body = {
    model: 'a',
    messages: [{ role: 'user', content: 'Please write some words for me and nothing else' }],
    metadata: { call: id, ...plan } satisfies BillingPlan,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(stream && { stream }),
  }
  const silence = plan.act === 'silent' ? setTimeout(() => leaving.abort(), 2 + plan.delayMs * 2) : undefined
  try {
    const reply = await router.handle({ body, id, identity: { user: 'u' }, signal: leaving.signal })
    await readUntil(reply, plan.act === 'wait' ? Math.min(plan.words, maxTokens ?? Infinity) : Infinity)
    leaving.abort()
    await reply.ended
    return 'ok'
  } catch (error) {
    if (isSignalboxError(error)) return error.code
    throw error
  } finally {
    clearTimeout(silence)
  }
}

/** Reads until so many words have come. */
async function readUntil({ body }: Reply, words: number): Promise<void> {
  if (body instanceof Uint8Array) return
  let seen = 0
  try {
    for await (const chunk of body) {
      seen += Buffer.from(chunk).toString().split('word ').length - 1
      if (seen >= words) return
    }
  } catch {}
}

const acts: readonly (readonly [BillingPlan['act'], number])[] = [
  ['cut', 0.04],
  ['wait', 0.04],
  ['silent', 0.03],
  ['reset', 0.02],
  ['error', 0.03],
]

/** How a call is to go, by chance. */
function draw(random: () => number, mixed: boolean): Asking {
  let luck = mixed ? random() : 1
  const act = acts.find(([, share]) => (luck -= share) < 0)?.[0] ?? 'answer'
  const stream = act === 'cut' || act === 'wait' || (act === 'answer' && random() < 0.3)
  const maxTokens = random() < 0.05 ? undefined : 20 + Math.floor(random() * 580)
  const words = 1 + Math.floor(random() * (maxTokens ?? 600))
  return { plan: { act, words, delayMs: Math.floor(random() * 20) }, maxTokens, stream }
}

/** A caller gives up who is refused so often, one time after the other. */
const mostRefused = 40

async function storm({ callers, seed, mixed }: RouterOrder & { do: 'storm' }): Promise<void> {
  const random = seededRandom(seed)
  const caller = async () => {
    for (let refused = 0; refused < mostRefused; refused++) {
      const code = await ask(draw(random, mixed))
      if (code !== 'budget_exceeded') refused = 0
      else await sleep(1 + random() * 9)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** Every caller goes on until it is refused, or has made its calls. */
async function spend({ callers, tokens, callsEach = Infinity }: RouterOrder & { do: 'spend' }): Promise<number> {
  let answered = 0
  const caller = async () => {
    for (let made = 0; made < callsEach; made++) {
      const plan = { act: 'answer', words: tokens, delayMs: 2 } as const
      if ((await ask({ plan, maxTokens: tokens, stream: false })) !== 'ok') return
      answered += 1
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return answered
}

function obey(order: RouterOrder): unknown {
  if (order.do === 'storm') return storm(order)
  return order.do === 'spend' ? spend(order) : router.close()
}

async function carryOut(order: RouterOrder) {
  process.send!({ answer: await obey(order) })
  if (order.do === 'close') process.disconnect()
}

process.on('message', (order: RouterOrder) => void carryOut(order))
process.on('disconnect', () => process.exit())
process.send!({ answer: 'ready' })
