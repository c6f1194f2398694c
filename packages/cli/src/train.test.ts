import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ProfileFile, parseProfile } from '@signalbox/classifier'
import { describe, expect, it } from 'vitest'
import { configFile, finished } from './testing/signalbox.ts'

/** Results in which one model knows sums and the other one knows poems, or in which nobody is better at anything. */
function results({ count, learnable }: { count: number; learnable: boolean }): string {
  const lines: string[] = []
  for (let at = 0; at < count; at++) {
    const isSum = at % 2 === 0
    const prompt = isSum ? `What is ${at} plus ${at * 7}, and then half of it?` : `Write poem number ${at} on the sea`
    const luck = (at * 7919) % 13 < 6
    const knows = (strong: boolean) => (learnable ? Number(strong || !isSum) : Number(luck === strong))
    lines.push(JSON.stringify({ prompt, model: 'small', score: knows(false), cost: 0.0001 }))
    lines.push(JSON.stringify({ prompt, model: 'large', score: knows(true), cost: 0.002 }))
  }
  return lines.join('\n')
}

describe('train', () => {
  it('writes a profile, prints its measures, and exits with 0 where it is above the zero router', async () => {
    const data = configFile(results({ count: 200, learnable: true }), 'jsonl')
    const out = join(dirname(data), 'profile.json')
    const { code, stdout, stderr } = await finished(['train', '--data', data, '--out', out])
    expect(stderr).toContain('100 %')
    expect(code).toBe(0)
    for (const measure of ['PGR', 'APGR', 'CPT50', 'CPT80', 'AIQ', 'costEq']) expect(stdout).toContain(measure)
    const profile = parseProfile(JSON.parse(readFileSync(out, 'utf8')) as ProfileFile)
    const best = (prompt: string) => profile.rank(prompt, ['small', 'large'], { lambda: 100 })[0]?.model
    expect(best('What is 12 plus 19, and then half of it?')).toBe('large')
    expect(best('Write poem number 77 on the sea')).toBe('small')
  })

  it('does not enable a profile that learned nothing, and exits with 1', async () => {
    const data = configFile(results({ count: 200, learnable: false }), 'jsonl')
    const out = join(dirname(data), 'none.json')
    const { code, stdout, stderr } = await finished(['train', '--data', data, '--out', out])
    expect({ code, stdout, stderr }).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('not enabled'),
      stderr: expect.stringContaining('is not enabled'),
    })
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ enabled: false })
  })

  it.each([
    ['{"prompt":"a","model":"m","score":1}\n{"prompt":', 'line 2'],
    ['{"prompt":"a","model":"m","score":7}', 'rows[0].score: expected a number from 0 to 1, got 7'],
    ['', 'rows: expected at least one, got none'],
  ])('says what is wrong with %j', async (text, fault) => {
    const data = configFile(text, 'jsonl')
    const out = join(dirname(data), 'unwritten.json')
    const { code, stderr } = await finished(['train', '--data', data, '--out', out])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(fault) })
    expect(existsSync(out)).toBe(false)
  })

  it('needs data and a place to write to', async () => {
    expect(await finished(['train', '--data', 'x.jsonl'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('train needs --data FILE and --out FILE'),
    })
  })
})
