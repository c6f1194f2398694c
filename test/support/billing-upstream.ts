import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect } from './caller.ts'
import { type BillingPlan, billingPrice } from './billing-orders.ts'

/** What an upstream served of one call, in all its attempts. */
export interface Served {
  inputTokens: number
  outputTokens: number
}

/** An upstream that does as each call plans, and counts what it served and bills. */
export interface BillingUpstream {
  readonly baseUrl: string
  /** By the name of the call. */
  readonly served: ReadonlyMap<string, Served>
  costNanoUsd(): number
  close(): void
}

interface Asked {
  readonly messages: readonly { readonly content: string }[]
  readonly max_tokens?: number
  readonly stream?: boolean
  readonly metadata: BillingPlan
}

export const costOf = ({ inputTokens, outputTokens }: Served): number =>
  Math.round((inputTokens * billingPrice.input + outputTokens * billingPrice.output) * 1_000)

export async function startBillingUpstream(): Promise<BillingUpstream> {
  const served = new Map<string, Served>()
  const server = createServer((req, res) => void serve(req, res, served).catch(() => res.destroy()))
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', 4_096, resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served,
    costNanoUsd: () => [...served.values()].reduce((sum, one) => sum + costOf(one), 0),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function serve(req: IncomingMessage, res: ServerResponse, served: Map<string, Served>): Promise<void> {
  const asked = JSON.parse(Buffer.concat(await collect<Buffer>(req)).toString()) as Asked
  const { call, act, words, delayMs } = asked.metadata
  const bill = served.get(call) ?? { inputTokens: 0, outputTokens: 0 }
  served.set(call, bill)
  if (act === 'reset') return void res.destroy()
  if (act === 'error') return refuse(res)
  bill.inputTokens += asked.messages.flatMap(({ content }) => content.split(' ')).length
  await sleep(delayMs)
  if (act === 'silent') return
  await write(res, asked, Math.min(words, asked.max_tokens ?? Infinity), bill)
}

function refuse(res: ServerResponse): void {
  res
    .writeHead(500, { 'content-type': 'application/json', 'retry-after-ms': '1' })
    .end('{"error":{"message":"not now","type":"server_error"}}')
}

async function write(res: ServerResponse, { stream, metadata, messages }: Asked, words: number, bill: Served) {
  const prompt = messages.flatMap(({ content }) => content.split(' ')).length
  const usage = { prompt_tokens: prompt, completion_tokens: words, total_tokens: prompt + words }
  const head = { id: 'chatcmpl-1', created: 1, model: 'billed' }
  if (!stream) {
    bill.outputTokens += words
    const message = { role: 'assistant', content: 'word '.repeat(words) }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    res.setHeader('content-type', 'application/json')
    return void res.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }))
  }
  const send = (part: object) =>
    res.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...part })}\n\n`)
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let left = words; left > 0 && !res.destroyed; left -= 50) {
    const some = Math.min(left, 50)
    bill.outputTokens += some
    send({ choices: [{ index: 0, delta: { content: 'word '.repeat(some) } }] })
    await sleep(1)
  }
  if (metadata.act === 'wait') return
  if (metadata.act === 'cut') return void setTimeout(() => res.destroy(), 5)
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  send({ choices: [], usage })
  res.end('data: [DONE]\n\n')
}
