import { expect, it, vi } from 'vitest'
import { newId } from './new-id.ts'

it('is a UUID, another one each time', () => {
  const ids = Array.from({ length: 100 }, newId)
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect(new Set(ids).size).toBe(100)
})

it('sorts by the millisecond in which it was made', () => {
  vi.useFakeTimers()
  try {
    const times = [1, 999_999_999, Date.UTC(2026, 10, 22), Date.UTC(2026, 10, 22) + 1, Date.UTC(9999, 0)]
    const ids = times.map((time) => {
      vi.setSystemTime(time)
      return newId()
    })
    expect(ids.map((id) => Number.parseInt(id.replace('-', '').slice(0, 12), 16))).toEqual(times)
    expect(ids.toSorted()).toEqual(ids)
  } finally {
    vi.useRealTimers()
  }
})
