import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ProfileFile, mostBytes } from './profile-file.ts'
import { parseProfile } from './profile.ts'
import { shippedProfile } from './shipped.ts'
import type { Candidate } from './types.ts'

const weights = readFileSync(new URL('../weights/shipped.json', import.meta.url), 'utf8')
const profile = shippedProfile()
const candidates = [
  { model: 'small', like: 'gpt-4o-mini', costUsd: 0.0002 },
  { model: 'large', like: 'gpt-4o-2024-08-06', costUsd: 0.004 },
] as const
const traffic = Array.from({ length: 200 }, (_, at) =>
  at % 2 ? `Prove lemma ${at} on integrals over $\\mathbb{R}^${at}$ in detail.` : `Say hello to number ${at}`,
)

describe('the weights that ship', () => {
  it('are a profile of at most 32 KiB that is written as it is read', () => {
    expect(Buffer.byteLength(weights)).toBeLessThanOrEqual(mostBytes)
    expect(`${JSON.stringify(profile)}\n`).toBe(weights)
    expect(profile.enabled).toBe(true)
    expect(profile.models).toContain('gpt-4o-mini')
    expect(profile.domains).toEqual(expect.arrayContaining(['math', 'law', 'health', 'code']))
  })

  it('are those that `node test/routing/ship.ts` made last', () => {
    const hash = createHash('sha256').update(weights).digest('hex')
    expect(hash).toBe('7828c2e3bdfafc6bb467b3fbe7db3515bc507c06677758a1e181007f5094a2d3')
  })

  it('know what prompts are about', () => {
    expect(
      profile.label('The defendant breached the contract. Can the plaintiff recover damages in tort?').domain,
    ).toBe('law')
    expect(
      profile.label('What is the derivative of the integral of a continuous function over a compact interval?').domain,
    ).toMatch(/^math/)
  })
})

describe('labels', () => {
  it('are the same however a prompt is spaced and cased', () => {
    const word = fc.constantFrom(
      'prove',
      'that',
      'hãy',
      'viết',
      'mã',
      '证明',
      'x^2',
      '=',
      'код',
      'why?',
      '12',
      'return',
    )
    const gap = fc.stringMatching(/^[ \t\n]{1,4}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(word, gap), { maxLength: 40 }), (words) => {
        const plain = words.map(([text]) => text).join(' ')
        const other = words
          .map(([text, space]) => space + text)
          .join('')
          .toUpperCase()
        expect(profile.label(other)).toEqual(profile.label(plain))
      }),
    )
  })

  it('have bounds of complexity that come from traffic', () => {
    const bounds = profile.calibrateComplexity(traffic, { moderate: 0.5, complex: 0.1 })
    const count = (level: string) =>
      traffic.filter((prompt) => profile.label(prompt, bounds).complexity === level).length
    expect(count('simple')).toBeGreaterThanOrEqual(90)
    expect(count('simple')).toBeLessThanOrEqual(110)
    expect(count('complex')).toBeLessThanOrEqual(20)
    expect(profile.label(traffic[1]!, bounds).complexity).not.toBe('simple')
    expect(() => profile.calibrateComplexity([], { moderate: 0.5, complex: 0.1 })).toThrow('at least one')
  })
})

describe('a rank', () => {
  it('has the best score first, and goes from quality to cost as lambda rises', () => {
    const top = (lambda: number) => profile.rank(traffic[1]!, candidates, { lambda })[0]!.model
    expect(top(0)).toBe('large')
    expect(top(1e6)).toBe('small')
    fc.assert(
      fc.property(fc.string(), fc.double({ min: 0, max: 1e6, noNaN: true }), (prompt, lambda) => {
        const ranked = profile.rank(prompt, candidates, { lambda })
        expect(ranked[0]!.score).toBeGreaterThanOrEqual(ranked[1]!.score)
        for (const { score, quality, costUsd } of ranked) expect(score).toBeCloseTo(quality - lambda * costUsd, 6)
      }),
    )
  })

  it('says which candidates it does not know, and takes them for average ones', () => {
    const [first] = profile.rank('hi', ['never-heard-of'])
    expect(first).toMatchObject({ model: 'never-heard-of', known: false, costUsd: 0 })
    expect(profile.rank('hi', candidates).every(({ known }) => known)).toBe(true)
  })

  it('keeps the order that was given where scores are equal', () => {
    expect(profile.rank('hi', ['x', 'y', 'z']).map(({ model }) => model)).toEqual(['x', 'y', 'z'])
  })
})

describe('calibration', () => {
  it.each([0, 0.1, 0.5, 0.9, 1])('sends no more than %d of the calls to the dearest candidate', (targetShare) => {
    const { lambda, share, reached } = profile.calibrate(traffic, candidates, { targetShare })
    expect(share).toBeLessThanOrEqual(targetShare)
    expect(reached).toBe(true)
    const taken = traffic.filter((prompt) => profile.rank(prompt, candidates, { lambda })[0]!.model === 'large')
    expect(taken.length / traffic.length).toBeCloseTo(share, 6)
    expect(share).toBeGreaterThanOrEqual(targetShare - 0.2)
  })

  it('keeps a quality for the least money, and a cost for the best quality', () => {
    const free = profile.calibrate(traffic, candidates, { targetShare: 1 })
    const bare = profile.calibrate(traffic, candidates, { targetShare: 0 })
    const minQuality = (free.quality + bare.quality) / 2
    const kept = profile.calibrate(traffic, candidates, { minQuality })
    expect(kept.quality).toBeGreaterThanOrEqual(minQuality)
    expect(kept.costUsd).toBeLessThan(free.costUsd)
    const maxCostUsd = (free.costUsd + bare.costUsd) / 2
    const held = profile.calibrate(traffic, candidates, { maxCostUsd })
    expect(held.costUsd).toBeLessThanOrEqual(maxCostUsd)
    expect(held.costUsd).toBeGreaterThan(maxCostUsd * 0.9)
  })

  it('says so when a target can not be met, and comes as near as it can', () => {
    expect(profile.calibrate(traffic, candidates, { minQuality: 1 })).toMatchObject({ reached: false, lambda: 0 })
    expect(profile.calibrate(traffic, candidates, { maxCostUsd: 0.00001 })).toMatchObject({ reached: false, share: 0 })
  })

  it('refuses to choose among no candidates', () => {
    expect(() => profile.calibrate(traffic, [], { targetShare: 0.5 })).toThrow('candidates: expected at least one')
  })

  it('refuses a candidate whose cost nobody knows: it would count as free', () => {
    const calibrate = (added: Candidate) => profile.calibrate(traffic, [...candidates, added], { maxCostUsd: 0.01 })
    expect(() => calibrate('unheard-of')).toThrow(
      'candidates: nobody knows what "unheard-of" costs, say it in `costUsd`',
    )
    expect(calibrate({ model: 'unheard-of', costUsd: 0.005 }).reached).toBe(true)
  })

  it.each([{}, { targetShare: 2 }, { minQuality: 0.5, targetShare: 0.5 }, { maxCostUsd: NaN }])(
    'refuses %j',
    (target) => {
      expect(() => profile.calibrate(traffic, candidates, target as never)).toThrow(/^target/)
    },
  )
})

const withMean = (mean: unknown) => ({ ...JSON.parse(weights), dense: { ...JSON.parse(weights).dense, mean } })

it.each([
  [null, 'expected the format "signalbox-profile"'],
  [{ format: 'other' }, 'expected the format "signalbox-profile"'],
  [{ ...JSON.parse(weights), vectors: [1, 'AAAA'] }, 'vectors: expected'],
  [{ ...JSON.parse(weights), dense: { mean: [1] } }, 'dense.mean: expected'],
  [withMean(Array.from({ length: 24 }, () => 'a')), 'dense.mean: expected 24 numbers'],
  [withMean({ length: 24 }), 'dense.mean: expected 24 numbers'],
  [{ ...JSON.parse(weights), models: [{ name: 'a', meanScore: 1, meanCostUsd: null }] }, 'models: expected'],
  [{ ...JSON.parse(weights), models: [{ name: 'a', meanScore: 1, meanCostUsd: -1 }] }, 'models: expected'],
  [{ ...JSON.parse(weights), scoreHeads: { hashed: [1, 'AAAA'], dense: [1, ''] } }, 'scoreHeads.hashed: expected'],
  [{ ...JSON.parse(weights), scoreHeads: { hashed: 7, dense: [1, ''] } }, 'scoreHeads.hashed: expected a scale'],
  ...Object.keys(JSON.parse(weights)).flatMap((part) => [
    [{ ...JSON.parse(weights), [part]: null }, /^a profile/],
    [{ ...JSON.parse(weights), [part]: 'x' }, /^a profile/],
    [{ ...JSON.parse(weights), [part]: [null] }, /^a profile/],
  ]),
])('a file that is none is refused, saying where (%#)', (file, message) => {
  expect(() => parseProfile(file as ProfileFile)).toThrow(message)
})
