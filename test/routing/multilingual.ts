import { readFileSync } from 'node:fs'
import { shippedProfile } from '@signalbox/classifier'
import { taskOf } from '../../packages/classifier/src/task.ts'
import { articleScore } from './baselines.ts'
import { fixed, percent, table } from './table.ts'

/** A prompt of the labelled set. */
interface Labelled {
  readonly language: string
  readonly task: string
  readonly complexity: string
  readonly prompt: string
}

/** The prompts that were labelled by hand for this project, in seven languages. Nothing is trained on them. */
export const labelled: readonly Labelled[] = readFileSync(new URL('multilingual.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [language = '', task = '', complexity = '', prompt = ''] = line.split('\t')
    return { language, task, complexity, prompt }
  })

/** How well labels fit in each language, for the weights that ship. */
export function multilingualTable(): string {
  const profile = shippedProfile()
  const row = (name: string, some: readonly Labelled[]) => [
    name,
    String(some.length),
    percent(some.filter(({ prompt, task }) => taskOf(prompt) === task).length / some.length),
    fixed(concordance(some, (prompt) => profile.label(prompt).difficulty)),
    fixed(concordance(some, (prompt) => prompt.length)),
    fixed(concordance(some, articleScore)),
  ]
  const languages = [...new Set(labelled.map(({ language }) => language))]
  return table(
    ['language', 'prompts', 'task right', 'complexity in order', 'by length', "by the articles' points"],
    languages
      .map((name) =>
        row(
          name,
          labelled.filter(({ language }) => language === name),
        ),
      )
      .concat([row('all', labelled)]),
  )
}

const levels = ['simple', 'moderate', 'complex']

/** The share of pairs of different complexity that a score puts in the right order; ties count half. Chance gives 0.5. */
export function concordance(some: readonly Labelled[], score: (prompt: string) => number): number {
  const scored = some.map(({ complexity, prompt }) => [levels.indexOf(complexity), score(prompt)] as const)
  let right = 0
  let pairs = 0
  for (const [low, lowScore] of scored) {
    for (const [high, highScore] of scored) {
      if (low >= high) continue
      pairs++
      right += lowScore < highScore ? 1 : lowScore === highScore ? 0.5 : 0
    }
  }
  return right / pairs
}
