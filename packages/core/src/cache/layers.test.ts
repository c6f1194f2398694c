import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { cacheLayerContract } from '@signalbox/testkit/plugin'
import { afterAll } from 'vitest'
import { decodeAnswer, encodeAnswer } from './answer.ts'
import { createMemoryLayer } from './memory-layer.ts'
import { createSqliteLayer } from './sqlite-layer.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-layers-'))
afterAll(() => rmSync(folder, { recursive: true }))

cacheLayerContract('memory', () => createMemoryLayer({ maximumBytes: 64 * 1024 * 1024 }))

const clock = createFakeClock({ wallTime: 1_700_000_000_000 })
const file = join(folder, 'answers.db')
cacheLayerContract(
  'sqlite',
  () =>
    createSqliteLayer({
      file,
      maximumBytes: 64 * 1024 * 1024,
      maximumAgeMs: 60_000,
      clock,
      onError(error) {
        throw error
      },
    }),
  {
    settle: () => clock.advance(50),
    damage(key) {
      const database = new DatabaseSync(file)
      const { answer } = database.prepare('select answer from answers where key = ?').get(key) as { answer: Uint8Array }
      answer[answer.length - 1]! ^= 1
      database.prepare('update answers set answer = ? where key = ?').run(answer, key)
      database.close()
    },
  },
)

// As the guide to layers has it.
const redis = new Map<string, Uint8Array>()
cacheLayerContract(
  'of bytes elsewhere',
  () => ({
    name: 'redis',
    async get(key) {
      const bytes = redis.get(key)
      return bytes && decodeAnswer(bytes)
    },
    async set(key, answer) {
      redis.set(key, encodeAnswer(answer))
    },
  }),
  { damage: (key) => void (redis.get(key)![20]! ^= 1) },
)
