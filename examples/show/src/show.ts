import type { Failover, Router } from '@signalbox/core'
import OpenAI from 'openai'
import { type Asked, ask } from './ask.ts'
import { type Incident, type Prompt, script } from './prompts.ts'
import type { Providers } from './providers.ts'
import { type Screen, answerLine, paint, tableOf } from './screen.ts'
import { table } from './table.ts'

/** What the show needs of the app that runs. */
export interface Stage {
  readonly address: string
  /** The key of a user of the app. */
  readonly apiKey: string
  readonly router: Router
  readonly providers: Providers
  readonly screen: Screen
  readonly signal: AbortSignal
}

/** Sends the prompts to the app over HTTP, one after the other, and prints how each went. */
export async function show(stage: Stage): Promise<void> {
  const { address, apiKey, router, providers, screen, signal } = stage
  const client = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 })
  const failovers: Failover[] = []
  const alerts = new Set<string>()
  router.on('failover', (failover) => failovers.push(failover))
  router.on('alert', ({ model, message }) => alerts.add(`${model}: ${message}.`))
  const startedAt = performance.now()
  const asked: Asked[] = []
  for (const scene of script(providers)) {
    signal.throwIfAborted()
    if ('happen' in scene) announce(scene, screen)
    else asked.push(await askOnScreen(scene, { client, screen, signal }))
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const allAnswered = asked.every(({ error }) => error === undefined)
  const alertLines = [...alerts].map((alert) => paint('red', `! ${alert}`))
  const lines = [...tableOf(asked), '', ...summary(asked, seconds), ...handovers(failovers, allAnswered), ...alertLines]
  screen.write(`\n${lines.join('\n')}\n`)
}

function announce({ says, happen }: Incident, screen: Screen): void {
  happen()
  screen.write(`\n${paint('yellow', `! ${says}`)}\n\n`)
}

interface OnScreen {
  readonly client: OpenAI
  readonly screen: Screen
  readonly signal: AbortSignal
}

async function askOnScreen(prompt: Prompt, { client, screen, signal }: OnScreen): Promise<Asked> {
  screen.write(`${paint('bold', '›')} ${prompt.text}\n`)
  const line = answerLine(screen)
  try {
    const asked = await ask(prompt, { client, signal, onText: line.onText })
    if (asked.error !== undefined) line.onText(asked.error)
    return asked
  } finally {
    line.end()
  }
}

function summary(asked: readonly Asked[], seconds: string): string[] {
  const answered = asked.filter(({ error }) => error === undefined)
  const models = new Set(answered.map(({ model }) => model))
  return [
    `tokens: input+output. ms: the whole time; of a stream, until its first word → until its end.`,
    `${answered.length} of ${asked.length} prompts were answered, by ${models.size} models, in ${seconds} s.`,
  ]
}

function handovers(failovers: readonly Failover[], allAnswered: boolean): string[] {
  if (failovers.length === 0) return ['No model had to stand in for another one.']
  const shown = failovers.map(({ route, from, to, reason }) => ({ route, models: `${from} → ${to}`, reason }))
  const alike = new Map(shown.map((one) => [Object.values(one).join(), one]))
  const timesOf = (key: string) => shown.filter((one) => Object.values(one).join() === key).length
  const [, ...lines] = table<string>(
    [
      { title: '', value: (key) => alike.get(key)!.route },
      { title: '', value: (key) => alike.get(key)!.models },
      { title: '', value: (key) => alike.get(key)!.reason },
      { title: '', value: (key) => (timesOf(key) > 1 ? `${timesOf(key)} times` : '') },
    ],
    [...alike.keys()],
  )
  const times = failovers.length === 1 ? 'Once a model' : `${failovers.length} times a model`
  return [
    `${times} failed and the next one was asked${allAnswered ? '; the callers noticed nothing' : ''}:`,
    ...lines.map((line) => paint('yellow', `  ${line}`)),
  ]
}
