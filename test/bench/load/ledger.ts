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

// `node load/ledger.ts SECONDS`: each call is an intent, an attempt and an entry, as the router writes them.
const seconds = Number(process.argv[2])
const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
const ledger = createSqliteLedger({ file: join(folder, 'ledger.db'), clock: systemClock })
const about = { identity: { key: 'shop', user: 'u1' }, route: 'auto', model: 'first', provider: 'openai-compatible' }
const prices = { input: 2_000, output: 8_000 } as NonNullable<LedgerAttempt['prices']>
const startedAt = performance.now()
let calls = 0

function write(): void {
  const callKey = `call-${(calls += 1)}`
  const named = { callKey, callId: callKey, time: Date.now(), ...about }
  const intent = { ...named, place: 0, inputTokens: 1_100, outputTokens: 256, boundNanoUsd: 4_248_000, prices }
  ledger.begin(intent)
  const used = { inputTokens: 190, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 120, reasoningTokens: 0 }
  const end = { outcome: 'ok', status: 200, latencyMs: 12.5, costNanoUsd: 1_340_000n, estimated: false, overrun: false }
  ledger.post({ ...intent, ...used, ...end } satisfies LedgerAttempt)
  const decision = { labels: {}, strategy: 'weighted', candidates: [], seed: 1, failovers: [] }
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
