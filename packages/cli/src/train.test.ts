import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ProfileFile, parseProfile } from '@signalbox/classifier'
import { createSqliteLedger, systemClock } from '@signalbox/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { configFile, finished, ran } from './testing/signalbox.ts'

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

/** A ledger in which calls were rated: large models know sums, and every model knows poems. */
async function ratedLedger({ modelsOfPrompt }: { modelsOfPrompt: (at: number) => readonly string[] }) {
  const lines: string[] = []
  const prompts = configFile('', 'jsonl')
  const file = join(
    dirname(prompts),
    `rated-${modelsOfPrompt(0).length}-${modelsOfPrompt(1).join('')}-${Date.now()}.db`,
  )
  const ledger = createSqliteLedger({ file, clock: systemClock })
  const call = (callKey: string, model: string, domain: string) => {
    const base = {
      callKey,
      callId: `id-of-${callKey}`,
      time: Date.now(),
      identity: {},
      route: 'auto',
      model,
      outcome: 'ok',
    }
    const tokens = { inputTokens: 10, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 10, reasoningTokens: 0 }
    const costNanoUsd = model === 'large' ? 2_000_000n : 100_000n
    ledger.post({
      ...base,
      ...tokens,
      place: 0,
      provider: 'p',
      latencyMs: 1,
      costNanoUsd,
      estimated: false,
      overrun: false,
    })
    ledger.close({ ...base, durationMs: 1, failovers: 0, decision: { labels: { domain } } })
  }
  for (let at = 0; at < 200; at++) {
    const isSum = at % 2 === 0
    const prompt = isSum ? `What is ${at} plus ${at * 7}, and then half of it?` : `Write poem number ${at} on the sea`
    for (const model of modelsOfPrompt(at)) {
      const key = `${at}-${model}`
      call(key, model, isSum ? 'sums' : 'poems')
      ledger.rate({ callKey: key, time: Date.now(), score: Number(model === 'large' || !isSum) })
      lines.push(JSON.stringify({ id: at % 3 === 0 ? key : `id-of-${key}`, prompt }))
    }
  }
  call('forgotten', 'small', 'sums')
  ledger.rate({ callKey: 'forgotten', time: Date.now(), score: 1 })
  await ledger.end()
  writeFileSync(prompts, lines.join('\n'))
  return { ledger: file, prompts }
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
    const { code, stdout, stderr } = await ran(['train', '--data', data, '--out', out])
    expect({ code, stdout, stderr }).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('not enabled'),
      stderr: expect.stringContaining('is not enabled'),
    })
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ enabled: false })
  })

  it.each([
    ['{"prompt":"a","model":"m","score":1}\n{"prompt":', 'line 2'],
    ['\n{"prompt":"a","model":"m","score":7}', ', line 2: score: expected a number from 0 to 1, got 7'],
    ['null', ', line 1: expected an object, got null'],
    ['', 'rows: expected at least one, got none'],
  ])('says what is wrong with %j', async (text, fault) => {
    const data = configFile(text, 'jsonl')
    const out = join(dirname(data), 'unwritten.json')
    const { code, stderr } = await ran(['train', '--data', data, '--out', out])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(fault) })
    expect(existsSync(out)).toBe(false)
  })

  it('takes results from anywhere: with a byte order mark, CRLF, and line ends of Unicode inside of a prompt', async () => {
    const lines = results({ count: 60, learnable: true }).replaceAll('poem', 'poem\u2028\u2029\u0085')
    const data = configFile(`\uFEFF${lines.replaceAll('\n', '\r\n')}\r\n`, 'jsonl')
    const { stdout } = await ran(['train', '--data', data, '--out', join(dirname(data), 'anywhere.json')])
    expect(stdout).toContain('60 of 60 prompts')
  })

  it('says that it cannot write the profile', async () => {
    const data = configFile(results({ count: 10, learnable: true }), 'jsonl')
    const out = join(dirname(data), 'no such folder', 'profile.json')
    const { code, stderr } = await ran(['train', '--data', data, '--out', out])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${out} cannot be written: ENOENT`) })
  })

  it('takes the rated calls of a ledger too, with the prompts that the host has kept', async () => {
    const { ledger, prompts } = await ratedLedger({ modelsOfPrompt: () => ['small', 'large'] })
    const out = join(dirname(prompts), 'rated.json')
    const args = ['train', '--ledger', ledger, '--prompts', prompts, '--out', out]
    const { code, stderr } = await ran(args)
    expect(stderr).toContain('401 rated calls, 400 of them with a prompt')
    expect(code).toBe(0)
    const profile = parseProfile(JSON.parse(readFileSync(out, 'utf8')) as ProfileFile)
    const [best] = profile.rank('What is 12 plus 19, and then half of it?', ['small', 'large'], { lambda: 100 })
    expect(best).toMatchObject({ model: 'large', costUsd: expect.closeTo(0.002, 3) })
  })

  it('says that ratings alone prove nothing where no prompt went to every model, and counts them beside results', async () => {
    const { ledger, prompts } = await ratedLedger({ modelsOfPrompt: (at) => [at % 4 < 2 ? 'small' : 'large'] })
    const out = join(dirname(prompts), 'alone.json')
    const rated = ['train', '--ledger', ledger, '--prompts', prompts, '--out', out]
    expect(await ran(rated)).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was measured') })
    const data = configFile(results({ count: 300, learnable: true }), 'jsonl')
    expect(await ran([...rated, '--data', data])).toMatchObject({ code: 0 })
  })

  it('takes more rated calls than a stack holds', async () => {
    const row = { prompt: 'What is 2 + 2?', model: 'small', score: 1 }
    const rows = Array.from({ length: 1_000_000 }, () => row)
    vi.resetModules()
    vi.doMock('./rated-rows.ts', () => ({ ratedRows: async () => ({ rows, rated: rows.length }) }))
    onTestFinished(() => vi.doUnmock('./rated-rows.ts'))
    const { train } = await import('./train.ts')
    const out = `${configFile('', 'jsonl')}.profile`
    expect(await train({ kind: 'train', data: undefined, rated: { ledger: 'any', prompts: 'any' }, out })).toBe(false)
    expect(parseProfile(JSON.parse(readFileSync(out, 'utf8')) as ProfileFile).models).toEqual(['small'])
  })

  it.each([
    [['--ledger', 'x.db', '--out', 'y.json'], '--ledger FILE needs --prompts FILE'],
    [['--prompts', 'x.jsonl', '--data', 'z.jsonl', '--out', 'y.json'], '--ledger FILE needs --prompts FILE'],
  ])('refuses %j', async (args, fault) => {
    expect(await ran(['train', ...args])).toMatchObject({ code: 2, stderr: expect.stringContaining(fault) })
  })

  it('says which ledger or line is wrong', async () => {
    const prompts = configFile('{"id":"a","prompt":1}', 'jsonl')
    const { ledger } = await ratedLedger({ modelsOfPrompt: () => ['small'] })
    const ask = (...args: string[]) => ran(['train', '--out', join(dirname(prompts), 'no.json'), ...args])
    expect(await ask('--ledger', ledger, '--prompts', prompts)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('expected lines of {"id", "prompt"}'),
    })
    const none = join(dirname(prompts), 'none.db')
    expect((await ask('--ledger', none, '--prompts', configFile('', 'jsonl'))).stderr).toContain(
      'there is no ledger at',
    )
  })

  it.each([
    ['a folder', 'EISDIR', (file: string) => dirname(file)],
    ['nowhere', 'ENOENT', (file: string) => `${file}.none`],
  ])('names the file of results that is %s', async (_what, why, place) => {
    const file = place(configFile('', 'jsonl'))
    expect(await ran(['train', '--data', file, '--out', `${file}.out`])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${file} cannot be read: ${why}`),
    })
  })

  it('needs data and a place to write to', async () => {
    expect(await ran(['train', '--data', 'x.jsonl'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('train needs --data FILE'),
    })
  })
})
