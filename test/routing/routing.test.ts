import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { shippedProfile } from '@signalbox/classifier'
import { describe, expect, it } from 'vitest'
import { Neighbours } from './baselines.ts'
import { agreementCascades, measureCascade } from './cascade.ts'
import { openRoutingData, rowsOf } from './data.ts'
import { concordance, labelled } from './multilingual.ts'

describe('the labelled set in other languages', () => {
  it('has 200 prompts or more in 6 languages or more, each with a task and a complexity, none twice', () => {
    const languages = new Set(labelled.map(({ language }) => language))
    expect(labelled.length).toBeGreaterThanOrEqual(200)
    expect([...languages]).toEqual(expect.arrayContaining(['en', 'vi', 'zh', 'es', 'fr', 'de']))
    for (const { task, complexity, prompt } of labelled) {
      expect(['code', 'maths', 'analysis', 'summarise', 'translate', 'write', 'extract', 'chat']).toContain(task)
      expect(['simple', 'moderate', 'complex']).toContain(complexity)
      expect(prompt.trim()).not.toBe('')
    }
    expect(new Set(labelled.map(({ prompt }) => prompt)).size).toBe(labelled.length)
  })

  it.each(['en', 'vi', 'zh', 'es', 'fr', 'de', 'ja'])('is put in order by the weights that ship: %s', (language) => {
    const some = labelled.filter((each) => each.language === language)
    expect(concordance(some, (prompt) => shippedProfile().label(prompt).difficulty)).toBeGreaterThan(0.7)
    expect(concordance(some, () => 0)).toBe(0.5)
  })
})

it('says where the routing data may be given when it is not there', async () => {
  await expect(openRoutingData('/nowhere')).rejects.toThrow(/\/nowhere.*--data FOLDER or ROUTING_DATA=FOLDER/)
})

it('takes rows of the models that are asked for, with domain, cost and tools', () => {
  const results = { a: { score: 1, cost_usd: 0.1 }, b: { score: 0 }, c: { score: 0.5 } }
  const line = { id: '1', source: 's', prompt: 'p', category: 'c', tools: ['t', 'u'], results }
  expect(rowsOf([line], () => 'd', ['a', 'b'])).toEqual([
    { prompt: 'p', tools: 2, model: 'a', score: 1, domain: 'd', cost: 0.1 },
    { prompt: 'p', tools: 2, model: 'b', score: 0, domain: 'd' },
  ])
})

it('has neighbours that are near: those of the same words', () => {
  const others = Array.from({ length: 12 }, (_, at) => `word${at} word${at + 1}`)
  const prompts = ['red apples taste sweet', 'fast cars need fuel', 'green apples taste sour', ...others]
  const neighbours = new Neighbours(prompts)
  const known = [1, 0, 1, ...others.map(() => 0)]
  expect(neighbours.means('apples taste good', [known], 2)[0]).toBeCloseTo(1, 3)
  expect(neighbours.means('cars without fuel', [known], 1)[0]).toBeCloseTo(0, 3)
})

const data = process.env['ROUTING_DATA'] ?? fileURLToPath(new URL('../../../shared/routing-data', import.meta.url))

it.skipIf(!existsSync(data))(
  'a cascade by agreement has premium quality on GSM8K for at most 24 % of its bill',
  { timeout: 60_000 },
  async () => {
    const routing = await openRoutingData(data)
    const measured = await measureCascade(agreementCascades[0]!, routing)
    expect(measured.prompts).toBeGreaterThan(900)
    expect(measured.quality).toBeGreaterThanOrEqual(measured.premiumQuality)
    expect(measured.share).toBeLessThanOrEqual(0.24)
    // The bill of the router is that of the data: no answer is charged twice or not at all.
    expect(measured.billUsd).toBeCloseTo(measured.expectedBillUsd, 4)
  },
)
