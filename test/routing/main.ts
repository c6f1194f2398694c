import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cascadeTable } from './cascade.ts'
import { openRoutingData } from './data.ts'
import { latencyTable } from './latency.ts'
import { multilingualTable } from './multilingual.ts'
import { fewLabelsTable } from './few-labels.ts'
import { poolTable } from './pools.ts'
import { trackTable } from './tracks.ts'
import { transferTable } from './transfer.ts'

/** Measures the classifier on the routing data, prints the tables, and with `--write` puts them into its README. */
const sections = [
  ['Two models', trackTable],
  ['Pools of twelve models', poolTable],
  ['Cascades by agreement', cascadeTable],
  ['Few labels', fewLabelsTable],
  ['Models that the weights never saw', transferTable],
  ['Other languages', multilingualTable],
  ['Time of a decision', latencyTable],
] as const

const readme = fileURLToPath(new URL('../../packages/classifier/README.md', import.meta.url))
const [begin, end] = ['<!-- bench:routing -->', '<!-- /bench:routing -->']

const { values } = parseArgs({ options: { data: { type: 'string' }, write: { type: 'boolean', default: false } } })
const data = await openRoutingData(values.data).catch((error: unknown) => {
  console.error((error as Error).message)
  process.exit(1)
})
const parts: string[] = []
for (const [title, table] of sections) {
  const part = `### ${title}\n\n${await table(data)}`
  console.log(`${part}\n`)
  parts.push(part)
}
if (values.write) {
  const text = readFileSync(readme, 'utf8')
  const [before = ''] = text.split(begin)
  const after = text.split(end)[1] ?? ''
  writeFileSync(readme, `${before}${begin}\n\n${parts.join('\n\n')}\n\n${end}${after}`)
}
