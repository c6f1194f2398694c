import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createTurns } from './turns.ts'

const busy = Object.assign(new Error('database is locked'), { errcode: 5 })

/** Waits without waiting, and counts for how long. */
const waiting = vi.spyOn(Atomics, 'wait')
const waitedMs = () => waiting.mock.calls.reduce((sum, [, , , stepMs]) => sum + stepMs!, 0)

beforeEach(() => void waiting.mockReset().mockReturnValue('timed-out'))
afterAll(() => waiting.mockRestore())

describe('turns at a file', () => {
  const fail = () => {
    throw busy
  }

  it('are waited for so long, and come as soon as it is free', () => {
    const whenFree = createTurns(1_000)
    let tries = 0
    expect(whenFree(() => (++tries < 9 ? fail() : 'done'))).toBe('done')
    expect(waiting).toHaveBeenCalledTimes(8)
    expect(() => whenFree(fail)).toThrow('locked')
    expect(waitedMs()).toBeGreaterThan(500)
    expect(waitedMs()).toBeLessThan(1_600)
  })

  it('are waited for no more after they were in vain, until one came', () => {
    const whenFree = createTurns(1_000)
    expect(() => whenFree(fail)).toThrow('locked')
    waiting.mockClear()
    for (let time = 0; time < 3; time++) expect(() => whenFree(fail)).toThrow('locked')
    expect(waiting).not.toHaveBeenCalled()
    whenFree(() => undefined)
    expect(() => whenFree(fail)).toThrow('locked')
    expect(waiting).toHaveBeenCalled()
  })

  it('are not waited for where something else is wrong', () => {
    const database = new DatabaseSync(':memory:')
    expect(() => createTurns(1_000)(() => database.exec('select nothing'))).toThrow('nothing')
    expect(waiting).not.toHaveBeenCalled()
    database.close()
  })
})
