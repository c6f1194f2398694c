import { seededRandom } from '@signalbox/core'
import { describe, expect, it } from 'vitest'
import { mostBytes } from '../profile-file.ts'
import { parseProfile } from '../profile.ts'
import { reportText } from './report.ts'
import type { Profile } from '../types.ts'
import type { Row } from './rows.ts'
import { trainProfile } from './train.ts'

const topics = {
  sums: 'calculate the sum of',
  poems: 'write a gentle poem about',
  laws: 'which law of the land governs',
}
const things = ['rivers', 'engines', 'apples', 'cities', 'numbers', 'stones', 'letters', 'planets']

/** Results in which `large` is right more often at sums only, and `small` at nothing. */
function rows({
  count,
  strength = 0.9,
  domain = false,
}: {
  count: number
  strength?: number
  domain?: boolean
}): Row[] {
  const random = seededRandom(3)
  return Array.from({ length: count }, (_, at) => at).flatMap((at) => {
    const [topic, words] = Object.entries(topics)[at % 3]!
    const prompt = `Please ${words} ${things[at % 8]} and ${things[(at * 5) % 8]}, case ${at}`
    const of = (model: string, chance: number, cost: number): Row => ({
      prompt,
      model,
      cost,
      score: Number(random() < chance),
      ...(domain && { domain: topic }),
    })
    return [of('small', 0.5, 0.0001), of('large', topic === 'sums' ? strength : 0.5, 0.002)]
  })
}

/** How much better the large model is expected to be. */
function gainsOf(profile: Profile) {
  return (prompt: string) => {
    const quality = new Map(profile.rank(prompt, ['small', 'large']).map((each) => [each.model, each.quality]))
    return quality.get('large')! - quality.get('small')!
  }
}

describe('training', () => {
  it('finds where the better model is better, and says so with its measures', () => {
    const profile = trainProfile(rows({ count: 600, domain: true }), { prior: null })
    expect(profile.enabled).toBe(true)
    expect(profile.report!.pair.apgr.value).toBeGreaterThan(0.6)
    const { value, interval } = profile.report!.pair.apgr
    expect(interval[0]).toBeLessThan(value)
    expect(interval[1]).toBeGreaterThan(value)
    const best = (prompt: string) => profile.rank(prompt, ['small', 'large'], { lambda: 50 })[0]!.model
    expect(best('Please calculate the sum of rivers and letters, case 9001')).toBe('large')
    expect(best('Please write a gentle poem about rivers and letters, case 9001')).toBe('small')
    expect(profile.label('Please calculate the sum of stones and apples, case 12').domain).toBe('sums')
    expect(reportText(profile.report!)).toMatch(/APGR +0\.[6-9]\d+ +\[/)
  })

  it('finds where within a domain the better model is better: by single words', () => {
    const random = seededRandom(5)
    const words = Array.from({ length: 40 }, () => Math.floor(random() * 36 ** 7).toString(36))
    const given = Array.from({ length: 1200 }, (_, at): Row[] => {
      const prompt = `Tell me of the ${words[at % 40]!} ${at}`
      const of = (model: string, chance: number) => ({ prompt, model, domain: 'one', score: Number(random() < chance) })
      return [of('small', 0.5), of('large', at % 40 < 20 ? 0.9 : 0.5)]
    })
    const profile = trainProfile(given.flat(), { prior: null, measure: false })
    const gain = gainsOf(profile)
    const gains = words.map((word) => gain(`Tell me of the ${word} 9`))
    const right = gains.slice(0, 20).flatMap((high) => gains.slice(20).map((low) => Number(high > low)))
    expect(right.reduce((sum, each) => sum + each, 0) / right.length).toBeGreaterThan(0.9)
  })

  it('finds it with few labels and no domain, by the profile that ships', () => {
    const profile = trainProfile(rows({ count: 240 }))
    const gain = gainsOf(profile)
    expect(gain('Please calculate the sum of rivers and letters, case 9001')).toBeGreaterThan(
      gain('Please write a gentle poem about rivers and letters, case 9001'),
    )
  })

  it('lets a better model gain on longer prompts where no label says otherwise, and else not', () => {
    const long = (times: number) => `Compare ${'what this and that one say of it, and '.repeat(times)}why.`
    const given = (count: number, better: (times: number) => number) =>
      Array.from({ length: count }, (_, at): Row[] => {
        const times = at % 30
        const of = (model: string, score: number) => ({ prompt: `${at} ${long(times)}`, model, domain: 'one', score })
        return [of('small', 0.4), of('large', better(times))]
      }).flat()
    const trained = (some: Row[]) => gainsOf(trainProfile(some, { measure: false }))
    const few = trained(given(30, () => 0.9))
    expect(few(long(25)) - few(long(1))).toBeGreaterThan(0.1)
    const many = trained(given(1_500, (times) => 1 - times / 30))
    expect(many(long(25))).toBeLessThan(many(long(1)))
  })

  it.each([1, 2, 3, 4, 5])('does not enable a profile of scores that mean nothing (%d)', (seed) => {
    const random = seededRandom(seed)
    const noise = rows({ count: 400 }).map((row) => ({
      ...row,
      score: Number(random() < (row.model === 'large' ? 0.6 : 0.5)),
    }))
    const { enabled, report } = trainProfile(noise)
    expect({ enabled, reason: report!.reason }).toEqual({
      enabled: false,
      reason: expect.stringContaining('zero router'),
    })
  })

  it('does not enable a profile on fewer prompts than can prove anything, or without measuring', () => {
    expect(trainProfile(rows({ count: 15 }))).toMatchObject({
      enabled: false,
      report: { reason: expect.stringContaining('prove nothing') },
    })
    expect(trainProfile(rows({ count: 600, domain: true }), { measure: false })).toMatchObject({
      enabled: false,
      report: undefined,
    })
  })

  it.each([1, 3, 5])('measures nothing where no two of %d models answered half of the prompts', (count) => {
    const given = Array.from({ length: 60 }, (_, at): Row[] => {
      const of = (model: number) => ({ prompt: `case ${at}`, model: `model ${model}`, score: Number(at % 3 === 0) })
      return at % 10 === 0 ? [of(at % count), of((at + 1) % count)] : [of(at % count)]
    })
    const profile = trainProfile(given.flat())
    expect(profile).toMatchObject({ enabled: false, report: undefined })
    expect(profile.rank('case 61', ['model 0'])[0]).toMatchObject({ known: true })
  })

  it('comes to the same each time, and survives its file', () => {
    const made = () => JSON.stringify(trainProfile(rows({ count: 200 }), { measure: false }))
    expect(made()).toBe(made())
    const profile = trainProfile(rows({ count: 200 }), { measure: false })
    const again = parseProfile(JSON.parse(JSON.stringify(profile)))
    for (const prompt of ['', 'calculate the sum of 1 and 2', '写一首诗'])
      expect(again.rank(prompt, ['small', 'large'])).toEqual(profile.rank(prompt, ['small', 'large']))
  })

  it('never makes a file of more than 32 KiB, whatever the models and domains are', () => {
    const names = (of: string, count: number) =>
      Array.from({ length: count }, (_, at) => `${of}-with-a-long-name-${at}`)
    const many = names('model', 40).flatMap((model, at) =>
      names('domain', 60).map((domain, place): Row => ({
        prompt: `${domain} ${place}`,
        model,
        domain,
        score: at / 40,
        cost: 0.01,
      })),
    )
    const one = rows({ count: 60 }).filter(({ model }) => model === 'small')
    for (const given of [rows({ count: 60, domain: true }), one, many]) {
      for (const prior of [null, undefined]) {
        const file = JSON.stringify(trainProfile(given, { ...(prior === null && { prior }), measure: false }))
        expect(Buffer.byteLength(file)).toBeLessThanOrEqual(mostBytes)
      }
    }
  })

  it.each([
    [150, 1, null],
    [150, 1, undefined],
    [20, 900, null],
  ])('refuses %d models and %d domains, which fit into no file', (models, domains, prior) => {
    const given = Array.from({ length: 900 }, (_, at) => ({
      prompt: `case ${at}`,
      model: `model ${at % models}`,
      domain: `domain ${at % domains}`,
      score: 1,
      cost: 0.01,
    }))
    expect(() => trainProfile(given, { ...(prior === null && { prior }), measure: false })).toThrow(
      /^rows: expected as many models and domains as fit into 32768 bytes, got \d+ and \d+$/,
    )
  })

  it('tells how far it is, from 0 to 1', () => {
    const seen: number[] = []
    trainProfile(rows({ count: 100 }), { onProgress: ({ done }) => seen.push(done) })
    expect(seen.at(-1)).toBe(1)
    expect(seen.length).toBeGreaterThan(3)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  })

  it('takes scores without costs: a better model counts as dearer', () => {
    const free = rows({ count: 600, domain: true }).map((row) => ({ ...row, cost: undefined }) as unknown as Row)
    expect(trainProfile(free, { prior: null })).toMatchObject({
      enabled: true,
      report: { weak: 'small', strong: 'large' },
    })
  })

  it.each([
    [[], 'rows: expected at least one, got none'],
    [[null], 'rows[0]: expected an object, got null'],
    [[{ prompt: 1, model: 'a', score: 1 }], 'rows[0].prompt: expected a string, got 1'],
    [[{ prompt: '', model: '', score: 1 }], 'rows[0].model: expected a name, got ""'],
    [[{ prompt: '', model: 'a', score: NaN }], 'rows[0].score: expected a number from 0 to 1, got NaN'],
    [[{ prompt: '', model: 'a', score: 1, cost: -1 }], 'rows[0].cost: expected US dollars, 0 or more, got -1'],
    [
      [{ prompt: '', model: 'a', score: 1, cost: Infinity }],
      'rows[0].cost: expected US dollars, 0 or more, got Infinity',
    ],
  ])('refuses %j', (given, message) => {
    expect(() => trainProfile(given as never)).toThrow(new TypeError(message))
  })
})
