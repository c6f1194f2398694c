import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { storeContract } from '../../../testkit/src/store-contract.ts'
import { createSqliteStore } from './sqlite.ts'

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-store-'))
  const clock = createFakeClock()
  const store = createSqliteStore({ file: join(folder, 'store.db'), clock })
  function close() {
    store.close()
    rmSync(folder, { recursive: true })
  }
  return { clock, store, advance: (durationMs: number) => clock.advanceSync(durationMs), close }
}

storeContract('sqlite', setUp)
