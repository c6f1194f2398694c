import { expect, it } from 'vitest'
import { createEstimateCorrection } from './estimate-correction.ts'

it('leaves the estimate of a model it knows nothing of', () => {
  expect(createEstimateCorrection().correct('a', 500)).toBe(500)
})

it('takes the first call at its word and later ones by their weight', () => {
  const correction = createEstimateCorrection({ weight: 0.1 })
  correction.observe('a', { estimated: 1_000, actual: 1_200 })
  expect(correction.correct('a', 500)).toBe(600)
  expect(correction.factor('b')).toBe(1)
  for (let call = 0; call < 200; call++) correction.observe('a', { estimated: 1_000, actual: 1_500 })
  expect(correction.factor('a')).toBeCloseTo(1.5, 3)
  correction.observe('a', { estimated: 1_000, actual: 1_000 })
  expect(correction.factor('a')).toBeCloseTo(1.45, 3)
})

it('keeps within its bounds, whatever a provider bills', () => {
  const correction = createEstimateCorrection()
  correction.observe('a', { estimated: 1, actual: 1e9 })
  expect(correction.factor('a')).toBe(4)
  correction.observe('b', { estimated: 1e9, actual: 1 })
  expect(correction.factor('b')).toBe(0.5)
})

it.each([
  { estimated: 0, actual: 10 },
  { estimated: 10, actual: 0 },
  { estimated: Number.NaN, actual: 10 },
  { estimated: 10, actual: Infinity },
  { estimated: -1, actual: -1 },
])('learns nothing from $estimated estimated and $actual billed', (call) => {
  const correction = createEstimateCorrection()
  correction.observe('a', call)
  expect(correction.factor('a')).toBe(1)
})

it('refuses options that make no sense, saying what came', () => {
  expect(() => createEstimateCorrection({ weight: 0 })).toThrow('weight to be above 0 and at most 1, got 0')
  expect(() => createEstimateCorrection({ minimumFactor: 2 })).toThrow(
    'minimumFactor to be above 0 and at most 1, got 2',
  )
  expect(() => createEstimateCorrection({ maximumFactor: 0.9 })).toThrow('maximumFactor to be 1 or more, got 0.9')
})
