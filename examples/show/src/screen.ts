import { styleText } from 'node:util'
import type { Asked } from './ask.ts'
import { cut, lettersOf, table } from './table.ts'

/** Where the show is seen: a terminal, or whatever the output is piped to. */
export interface Screen {
  write(text: string): void
}

/** How wide the show is, in characters. */
const width = 100

type Format = Parameters<typeof styleText>[0]

/** Colours a text, on a terminal. */
export const paint = (format: Format, text: string) => styleText(format, text, { stream: process.stdout })

/** Writes an answer on one line as it comes, until the line is full. */
export function answerLine(screen: Screen) {
  let text = ''
  let written = 0
  screen.write('  ')
  return {
    onText(piece: string) {
      text += piece
      const letters = lettersOf(cut(text.trim(), width - 2))
      screen.write(letters.slice(written).join(''))
      written = letters.length
    },
    end: () => screen.write('\n'),
  }
}

/** The table of what was asked, with the rows that took more than one attempt in a colour of their own. */
export function tableOf(rows: readonly Asked[]): string[] {
  const [titles = '', ...lines] = table<Asked>(
    [
      { title: 'prompt', max: 40, value: ({ text }) => text },
      { title: 'route', max: 8, value: ({ route }) => route },
      { title: 'model', max: 20, value: ({ model }) => model },
      { title: 'attempts', align: 'right', value: ({ attempts }) => String(attempts) },
      { title: 'ms', align: 'right', value: milliseconds },
      { title: 'tokens', align: 'right', value: ({ tokens }) => (tokens ? `${tokens.input}+${tokens.output}` : '') },
    ],
    rows,
  )
  return [paint('bold', titles), ...lines.map((line, at) => paintRow(line, rows[at]!))]
}

function paintRow(line: string, { error, attempts }: Asked): string {
  if (error !== undefined) return paint('red', line)
  return attempts > 1 ? paint('yellow', line) : line
}

/** The whole time, and behind a stream's first token the time to it. */
function milliseconds({ totalMs, firstTokenMs }: Asked): string {
  const first = firstTokenMs === undefined ? '' : `${firstTokenMs.toFixed()} → `
  return first + totalMs.toFixed()
}
