import type { Dialect } from '../../packages/core/src/dialects/dialect.ts'
import { dialects } from '../../packages/core/src/dialects/index.ts'
import type { FieldReader, Translation } from '../../packages/core/src/dialects/translation.ts'

/** Every pair of dialects that are translated into each other. */
export const translatedPairs = Object.values(dialects)
  .filter(hasTranslation)
  .flatMap((from, _index, all) => all.filter((to) => to !== from).map((to) => ({ from, to })))

type Translated = Dialect & { readonly translation: Translation }

function hasTranslation(dialect: Dialect): dialect is Translated {
  return dialect.translation !== undefined
}

/** What becomes of a field. */
export interface Fate {
  readonly field: string
  /** The fields it becomes; empty where it is lost or left out. */
  readonly to: readonly string[]
  readonly isHint: boolean
  readonly notes: readonly string[]
}

/** What becomes of each field of a request, from the tables by which it is translated. */
export function fatesOf(from: Translated, to: Translated): Fate[] {
  return Object.entries(from.translation.reads).map(([field, reader]: [string, FieldReader]) => {
    const writers = reader.carries.flatMap((name) => to.translation.writes[name] ?? [])
    return {
      field,
      to: [...new Set(writers.map((writer) => writer.to))],
      isHint: reader.isHint === true,
      notes: [...new Set(writers.flatMap(({ note }) => (note === undefined ? [] : [note])))],
    }
  })
}

const code = (name: string) => `\`${name}\``
const lost = '**lost**'

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length), title.length),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n')
}

function pairSection({ from, to }: (typeof translatedPairs)[number]): string {
  const fields = fatesOf(from, to).map((fate) => [
    code(fate.field),
    fate.to.length > 0 ? fate.to.map(code).join(', ') : fate.isHint ? 'left out' : lost,
    fate.notes.join('; '),
  ])
  const parts = Object.entries(from.translation.readsParts).map(([kind, part]) => {
    const written = to.translation.writesParts[part]
    return [code(kind), written === undefined ? lost : code(written)]
  })
  const stops = Object.entries(to.translation.readsStops).map(([stop, reason]) => [
    code(stop),
    code(from.translation.writesStops[reason]),
  ])
  return `## From ${code(from.name)} to ${code(to.name)}

A request:

${table(['Field', 'Becomes', 'Note'], fields)}

What stands in its messages:

${table(['Kind', 'Becomes'], parts)}

Why the answer ended, on its way back:

${table([`In ${code(to.name)}`, `In ${code(from.name)}`], stops)}
`
}

/** The documentation of all pairs, as Markdown. */
export const dialectTables = () => `# Dialects

A model speaks one or several dialects. A call in one of them passes through, byte for byte. A call in another is
translated, event by event where it streams: the tables here say what becomes of each field. They are made from the
tables by which it is done.

- **lost**: the other dialect has nothing for it. By default the model is passed over, and the call is answered with 400
  and \`untranslatable\` where no other is left. With \`untranslatable: 'report'\` it is left out instead, and named in the
  header \`x-signalbox-dropped\`. A field that is in no table is lost too.
- left out: the answer is the same without it. It is named in \`x-signalbox-dropped\`, and no reason to refuse.
- What an answer holds that the caller's dialect has nothing for is named in the same header, as \`answer.…\`. The head of a
  stream is out before that is known: there a comment before its end says \`: x-signalbox-dropped: …\`.
- What stands inside a field, as \`cache_control\` does in a message, and has no words there, is left out and named likewise;
  a tool of a kind that the other does not have, and citations that were asked for, are lost.
- A last message of the assistant's, with which a caller of Anthropic's begins the answer, is lost (\`messages[].prefill\`).
- An answer that refuses, by OpenAI's \`refusal\`, is text with the reason \`refusal\` to Anthropic's callers.
- A value that asks for nothing but what is so anyway, such as \`n: 1\` or an empty list, is neither.
- What a model thought goes to the provider that can read it, with its signature or in its cipher; to any other it is left
  out. Callers get it in their own dialect's field, where the other's proof is marked, and send it back there.
- A tool's arguments are the same JSON, long numbers to the digit; blanks are kept where both dialects hold them as text.
- Usage is read into classes that do not overlap (input, cached input, cache writes, output, reasoning) and written as
  the caller's dialect counts them.
- A log of probabilities (\`logprobs\`), several choices (\`n\`) and tools that a provider runs itself are lost everywhere.

\`openai-embeddings\` has no translation: a model that does not speak it is passed over.

${translatedPairs.map(pairSection).join('\n')}`
