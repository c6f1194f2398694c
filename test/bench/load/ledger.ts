import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type LedgerAttempt, type LedgerCall, createSqliteLedger, systemClock } from '@signalbox/core'

/** How many calls a process wrote into its ledger, the last of them safe on disk. */
export interface LedgerResult {
  readonly calls: number
  readonly microseconds: number
}

/** Calls that end in one turn of the event loop. */
const callsPerTurn = 16
/** More than so many calls are not waited for at one time, as a router has only so many under way. */
const mostWaiting = 2_000

// `node load/ledger.ts SECONDS`: each call is an intent, an attempt and an entry, as the router writes them
// for the other rows.
const seconds = Number(process.argv[2])
const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
const ledger = createSqliteLedger({ file: join(folder, 'ledger.db'), clock: systemClock })
const about = { identity: { key: 'shop', user: 'u1' }, route: 'auto', model: 'first', provider: 'openai-compatible' }
const prices = { input: 2_000, output: 8_000 } as NonNullable<LedgerAttempt['prices']>
const candidate = { health: 'healthy', breaker: 'closed', readyInMs: 0 }
const decision = {
  policy: '51fc433231f9cdb2',
  labels: {},
  strategy: 'weighted',
  seed: 3_374_851_828,
  decidedMs: 1610.055856,
  facts: {
    route: 'auto',
    dialect: 'openai-chat',
    surface: 'chat',
    bytes: 934,
    stream: false,
    tools: 0,
    modality: ['text'],
    maxOutputTokens: 256,
    tokens: { inputTokens: 149, outputTokens: 256, choices: 1 },
  },
  candidates: [
    { name: 'second', reason: 'drawn with weight 0.5 of 1.5', score: 0.5, ...candidate, weight: 0.5 },
    { name: 'first', reason: 'drawn with weight 1 of 1', score: 1, ...candidate, weight: 1 },
  ],
  passedOver: [],
  failovers: [],
}
const processTag = randomUUID().slice(0, 18)
const startedAt = performance.now()
let calls = 0

function write(): void {
  const time = Date.now()
  const callKey = `${processTag}-${(calls += 1).toString(36)}`
  const named = { callKey, callId: `0${time.toString(16)}-7${randomUUID().slice(15)}`, time, ...about }
  const intent = { ...named, place: 0, inputTokens: 1_100, outputTokens: 256, boundNanoUsd: 4_248_000, prices }
  ledger.begin(intent)
  const used = { inputTokens: 190, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 120, reasoningTokens: 0 }
  const end = { outcome: 'ok', status: 200, latencyMs: 12.5, costNanoUsd: 1_340_000n, estimated: false, overrun: false }
  ledger.post({ ...intent, ...used, ...end } satisfies LedgerAttempt)
  ledger.close({ ...named, outcome: 'ok', durationMs: 12.7, failovers: 0, decision } satisfies LedgerCall)
}

while (performance.now() < startedAt + seconds * 1_000) {
  for (let call = 0; call < callsPerTurn; call++) write()
  await (calls % mostWaiting < callsPerTurn ? ledger.flush() : nextTurn())
}
await ledger.flush()
const microseconds = (performance.now() - startedAt) * 1_000
await ledger.end()
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ calls, microseconds } satisfies LedgerResult))
