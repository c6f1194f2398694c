import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Profile, trainProfile } from '@signalbox/classifier'
import { type RoutingData, openRoutingData } from './data.ts'
import { shippedDomain } from './domains.ts'

/** The sources under Apache or MIT licences. `bfcl` has results without a licence, and is left out. */
const shippedSources = [
  'routellm-mmlu',
  'routellm-gsm8k',
  'routellm-mtbench',
  'zeroeval-gsm8k',
  'zeroeval-math-l5',
  'zeroeval-crux',
  'mmlu-pro',
  'routerarena',
  'can-ai-code',
  'livecodebench',
]

/** A model that answered fewer prompts than this is left out: its table would be its mean. */
const fewestPrompts = 300

/** Trains the weights that ship, from the training split alone; without some models or sources where a measure asks. */
export function trainShipped(
  data: RoutingData,
  without: readonly string[] = [],
  withoutSources: readonly string[] = [],
): Profile {
  const sources = shippedSources.filter((source) => !withoutSources.includes(source))
  const lines = data.lines('train', sources)
  const counts = new Map<string, number>()
  for (const { results } of lines) for (const model in results) counts.set(model, (counts.get(model) ?? 0) + 1)
  const rows = lines.flatMap((line) => {
    const domain = shippedDomain(line)
    return Object.entries(line.results).flatMap(([model, { score }]) =>
      without.includes(model) || counts.get(model)! < fewestPrompts
        ? []
        : [{ prompt: line.prompt, model, score, ...(domain && { domain }) }],
    )
  })
  return trainProfile(rows, { prior: null, measure: false })
}

const file = fileURLToPath(new URL('../../packages/classifier/weights/shipped.json', import.meta.url))

if (import.meta.main) {
  const { values } = parseArgs({ options: { data: { type: 'string' }, check: { type: 'boolean', default: false } } })
  const text = `${JSON.stringify({ ...trainShipped(await openRoutingData(values.data)).toJSON(), enabled: true })}\n`
  const hash = createHash('sha256').update(text).digest('hex')
  if (!values.check) writeFileSync(file, text)
  const same = readFileSync(file, 'utf8') === text
  console.log(
    `${hash}  ${text.length} bytes${values.check ? (same ? ', as shipped' : ', NOT as shipped') : ', written'}`,
  )
  if (!same) process.exitCode = 1
}
