import { expect, it } from 'vitest'
import { createFairQueue, type Priority, type Queued } from './fair-queue.ts'

const item = (sequence: number, priority: Priority = 3): Queued => ({ sequence, priority })

function drain(queue: ReturnType<typeof createFairQueue<Queued>>): number[] {
  const order: number[] = []
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    queue.take(next)
    order.push(next.sequence)
  }
  return order
}

it('keeps the order of arrival within a priority, also of one that comes from another queue', () => {
  const queue = createFairQueue<Queued>()
  for (const sequence of [1, 4, 6, 3, 5]) queue.push(item(sequence))
  expect(drain(queue)).toEqual([1, 3, 4, 5, 6])
})

it('keeps the turn with whoever has it, though a more urgent one comes', () => {
  const queue = createFairQueue<Queued>()
  const first = item(1, 5)
  queue.push(first)
  expect(queue.peek()).toBe(first)
  queue.push(item(2, 1))
  expect(queue.peek()).toBe(first)
  queue.remove(first)
  expect(queue.peek()).toMatchObject({ sequence: 2 })
})

it('serves the more urgent first, and the others in their share', () => {
  const queue = createFairQueue<Queued>()
  for (let sequence = 0; sequence < 20; sequence++) queue.push(item(sequence, sequence % 2 === 0 ? 1 : 5))
  const order = drain(queue)
  expect(order[0]).toBe(0)
  expect(order.slice(0, 11).filter((sequence) => sequence % 2 === 1)).toHaveLength(1)
  expect(order).toHaveLength(20)
})

it('saves no turns for a priority that was not there', () => {
  const queue = createFairQueue<Queued>()
  for (let sequence = 0; sequence < 200; sequence++) queue.push(item(sequence, 1))
  for (let turn = 0; turn < 100; turn++) queue.take(queue.peek()!)
  for (let sequence = 200; sequence < 220; sequence++) queue.push(item(sequence, 5))
  const next = drain(queue).slice(0, 32)
  expect(next.filter((sequence) => sequence >= 200).length).toBeLessThanOrEqual(2)
})

it('charges no turn to one that leaves without', () => {
  const queue = createFairQueue<Queued>()
  const leaving = Array.from({ length: 50 }, (_, sequence) => item(sequence, 1))
  for (const one of leaving) queue.push(one)
  for (const one of leaving) queue.remove(one)
  queue.push(item(100, 1))
  queue.push(item(101, 2))
  expect(drain(queue)).toEqual([100, 101])
  expect(queue.size()).toBe(0)
})
