import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createRouter, loadConfig, openLedger, recordedCall } from '@signalbox/core'
import { startProgrammableUpstream, startSimulatedProvider } from '@signalbox/testkit'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { configFile, finished, pricedModel, ran } from './testing/signalbox.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-decisions-'))
afterAll(() => rmSync(folder, { recursive: true }))

const models = (baseUrl: string) => ({
  cheap: pricedModel(baseUrl, 1),
  strong: pricedModel(baseUrl, 10),
  spare: pricedModel(baseUrl, 5),
})
const routes = {
  auto: {
    models: ['cheap', 'strong', 'spare'],
    strategy: {
      use: 'rules',
      rules: [
        { name: 'paid', when: { tier: 'pro' }, models: ['strong', 'spare'], strategy: 'round-robin' },
        { when: { labels: { task: 'code' } }, models: ['strong'] },
      ],
      otherwise: ['cheap', 'strong'],
    },
  },
  drawn: { strategy: 'weighted', models: ['cheap', { model: 'strong', weight: 3 }] },
}

describe('explain', () => {
  it('says which model would be asked and why, and asks no provider', async () => {
    const upstream = await startProgrammableUpstream()
    onTestFinished(() => upstream.close())
    const config = configFile({ models: models(upstream.baseUrl), routes, health: { probe: { intervalMs: 1 } } })
    const prompt = 'Which is the capital of France?'
    const { code, stdout, stderr } = await finished(['explain', '-c', config, '--prompt', prompt])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.replaceAll(/(policy|seed) +\w+/g, '$1')).toBe(
      [
        'cheap would be asked first: no rule holds; place 1 in the list.',
        '',
        '  route     auto',
        '  strategy  rules',
        '  labels    none',
        '  policy',
        '  seed',
        '',
        'To be tried, in this order',
        'model   why                                 score  weight  USD per 1M in/out',
        'cheap   no rule holds; place 1 in the list              1                1/4',
        'strong  no rule holds; place 2 in the list              1              10/40',
        '',
        'Not to be tried',
        'model  why                score  weight  USD per 1M in/out',
        'spare  left out by rules              1               5/20',
        '',
        'Nothing was sent.',
        '',
      ].join('\n'),
    )
    const paid = await ran(['explain', '-c', config, '--prompt', prompt, '--tier', 'pro', '--user', 'ada', '--json'])
    expect(JSON.parse(paid.stdout)).toMatchObject({
      identity: { tier: 'pro', user: 'ada' },
      candidates: [{ name: 'strong', reason: 'rule "paid"; its turn', score: 1 }, { name: 'spare' }],
    })
    const labelled = await ran(['explain', '-c', config, '--prompt', prompt, '--label', 'task=code'])
    expect(labelled.stdout).toMatch(/^strong would be asked first: rule "task is code"/)
    expect(upstream.connections).toEqual([])
  })

  it.each([
    [['explain', '-c', 'x.json'], 2, 'explain needs --prompt TEXT'],
    [
      ['explain', '-c', 'x.json', '--prompt', 'a', '--label', 'task'],
      2,
      'expected a label such as task=code, got "task"',
    ],
    [['replay', '-c', 'x.json'], 2, 'replay needs a LOG'],
    [['replay', '', '-c', 'x.json'], 2, 'replay needs a LOG'],
    [['simulate', '--ledger', 'x.db'], 2, 'simulate needs --ledger FILE and --policy FILE'],
    [
      ['simulate', '--ledger', folder, '--policy', configFile({ models: models('http://127.0.0.1:1/v1') })],
      1,
      'it is a folder',
    ],
  ])('wants what it needs: %j', async (args, code, message) => {
    expect(await ran(args)).toMatchObject({ code, stderr: expect.stringContaining(message) })
  })
})

/** A ledger and a log of 60 calls, decided by a configuration file. */
async function recorded() {
  const provider = await startSimulatedProvider()
  const file = configFile({ models: models(provider.baseUrl), routes })
  const ledger = join(dirname(file), `ledger-${Math.random()}.db`)
  const log = `${ledger}.jsonl`
  const router = createRouter({ ...(await loadConfig(file)), ledger })
  router.on('call.ended', ({ record }) => appendFileSync(log, `${JSON.stringify(recordedCall(record))}\n`))
  for (let at = 0; at < 60; at++) {
    const body = { model: at % 2 ? 'auto' : 'drawn', messages: [{ role: 'user', content: `What is ${at} * 2?` }] }
    const identity = at % 3 ? { user: 'ada', tier: 'pro' } : { user: 'bob' }
    await (
      await router.handle({ body, identity })
    ).ended
  }
  await router.close()
  await provider.close()
  return { provider, file, ledger, log }
}

describe('replay', () => {
  it('makes the decisions of a ledger and of a log again: 0 differences, or each of them and exit code 1', async () => {
    const { provider, file, ledger, log } = await recorded()
    for (const [place, replayed] of [
      [ledger, finished],
      [log, ran],
    ] as const) {
      expect(await replayed(['replay', place, '-c', file])).toEqual({
        code: 0,
        stdout: '60 decisions: 0 differences\n  same       60\n  different  0\n',
        stderr: '',
      })
    }
    const marked = configFile(`\uFEFF${readFileSync(log, 'utf8').replaceAll('"user":"', '"user":"\u2028')}`, 'jsonl')
    expect((await ran(['replay', marked, '-c', file])).stdout).toContain('60 decisions: 0 differences')
    const pipe = `${log}.pipe`
    execFileSync('mkfifo', [pipe])
    const [piped] = await Promise.all([ran(['replay', pipe, '-c', file]), writeFile(pipe, readFileSync(log))])
    expect(piped).toMatchObject({ code: 0, stdout: expect.stringContaining('60 decisions: 0 differences') })
    const other = configFile({
      models: models(provider.baseUrl),
      routes: { ...routes, auto: { models: ['strong', 'cheap'] } },
    })
    const { code, stdout } = await ran(['replay', ledger, '-c', other])
    expect(code).toBe(1)
    expect(stdout).toMatch(/was {"strategy":"rules".*\n {2}is {2}{"strategy":"ordered","candidates":\[{"name":"strong"/)
    expect(stdout).toContain('... and 10 more\n60 decisions: 30 differences\n')
    expect(stdout).toMatch(/policy {5}60 were decided by another policy than [\da-f]{16}/)
  })

  it('says what is wrong with a log', async () => {
    const config = configFile({ models: models('http://127.0.0.1:1/v1') })
    const log = configFile('{"callId":"a"}\n', 'jsonl')
    expect(await ran(['replay', log, '-c', config])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${log}, line 1: expected a recorded call`),
    })
    const call = { callId: 'a', time: 1, identity: {}, route: 'auto', decision: {} }
    const decided = {
      decidedMs: 1,
      facts: { route: 'a', tools: 0, modality: [] },
      candidates: [],
      passedOver: [],
      seed: 1,
    }
    for (const odd of [
      { identity: null },
      { decision: null },
      { decision: { ...decided, facts: null } },
      { decision: { ...decided, facts: { ...decided.facts, modality: 5 } } },
      { decision: { ...decided, facts: { ...decided.facts, tools: -1 } } },
      { decision: { ...decided, facts: { ...decided.facts, tools: 2 ** 40 } } },
      { decision: { ...decided, candidates: [null] } },
    ]) {
      const lines = configFile(`${JSON.stringify(call)}\n${JSON.stringify({ ...call, ...odd })}`, 'jsonl')
      expect(await ran(['replay', lines, '-c', config])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`${lines}, line 2: expected a recorded call`),
      })
    }
    expect(await ran(['replay', 'nowhere.db', '-c', config])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nowhere.db cannot be read: ENOENT'),
    })
  })
})

describe('simulate', () => {
  it('says what another policy would have cost and who would move, and what it can not know', async () => {
    const { provider, ledger } = await recorded()
    const policy = configFile(
      `export default {
        models: ${JSON.stringify(models(provider.baseUrl))},
        routes: {
          auto: { models: ['cheap'] },
          drawn: { models: ['cheap', 'strong'], strategy: (call: any, all: any[]) => call.request.text ? all : [] },
        },
      }`,
      'ts',
    )
    const { code, stdout, stderr } = await finished([
      'simulate',
      '--ledger',
      ledger,
      '--policy',
      policy,
      '--format',
      'json',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const simulation = JSON.parse(stdout)
    // By hand, from the ledger: 30 calls on "auto", of which ada's 20 went to strong and spare by turns.
    const book = openLedger({ models: {}, ledger })
    const attempts = [...book.attempts({ route: 'auto' })]
    book.end()
    const priceNow = { cheap: 1, strong: 10, spare: 5 } as const
    const was = attempts.reduce((sum, { costNanoUsd }) => sum + costNanoUsd!, 0n)
    const would = attempts.reduce((sum, { costNanoUsd, model }) => {
      return sum + costNanoUsd! / BigInt(priceNow[model as keyof typeof priceNow])
    }, 0n)
    expect(simulation).toMatchObject({
      calls: 60,
      undecided: 0,
      same: 10,
      moved: 20,
      unknown: [{ why: 'the text of the prompt is not recorded', calls: 30 }],
      unpriced: [],
      moves: [
        { from: 'strong', to: 'cheap', calls: 10, priced: 10 },
        { from: 'spare', to: 'cheap', calls: 10, priced: 10 },
      ],
      callers: [
        { caller: 'ada', calls: 40, moved: 20 },
        { caller: 'bob', calls: 20, moved: 0 },
      ],
    })
    expect(Number(simulation.costUsd)).toBeCloseTo(Number(was) / 1e9, 12)
    expect(Number(simulation.wouldCostUsd)).toBeCloseTo(Number(would) / 1e9, 12)

    const text = await ran(['simulate', '--ledger', ledger, '--policy', policy])
    expect(text.stdout).toMatch(/^60 calls, decided again by the policy [\da-f]{16}\n/)
    expect(text.stdout).toContain('unknown        30: the text of the prompt is not recorded')
    expect(text.stdout).toMatch(/Who would move\ncaller +calls +moved\nada +40 +20\n/)
  })
})
