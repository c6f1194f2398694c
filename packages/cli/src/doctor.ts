import { type Router, type RouterOptions, createRouter } from '@signalbox/core'
import { columns, print } from './terminal.ts'

/**
 * Asks every provider of a configuration once whether it is there and takes its key. True where all do. Starts no plugin
 * and opens no file of the configuration: a router may be at work with it.
 */
export async function doctor({ models, tiers }: RouterOptions): Promise<boolean> {
  const router = createRouter({ models, tiers, ledger: false })
  try {
    const answers = await router.verify()
    print(doctorText(answers))
    return answers.every(({ ok }) => ok)
  } finally {
    await router.close()
  }
}

function doctorText(answers: Awaited<ReturnType<Router['verify']>>): string {
  const rows = answers.map(
    ({ ok, models, code, message, detail }) =>
      [models.join(', '), ok ? 'ok' : `fails: ${message} (${code})${detail ? `: ${detail}` : ''}`] as const,
  )
  const failing = answers.filter(({ ok }) => !ok).length
  const head =
    failing === 0
      ? 'Every provider is there and takes its key.'
      : `${failing} of ${answers.length} providers can't be used.`
  return `${head}\n${columns(rows)}`
}
