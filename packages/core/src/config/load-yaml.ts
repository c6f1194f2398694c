/**
 * Parses YAML 1.2 with the package `yaml`, which is loaded only when a YAML file is.
 *
 * @throws SyntaxError with line and column, and without the text around them, which may be a secret
 */
export async function parseYaml(text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml').catch((cause: unknown) => {
    throw new Error('the package "yaml" is needed to read YAML: npm install yaml', { cause })
  })
  const document = parseDocument(text)
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault) throw new SyntaxError(withoutSource(fault.message))
  const value: unknown = document.toJS()
  if (holdsItself(value)) throw new SyntaxError('An anchor must not stand for what it is in')
  return value
}

function holdsItself(value: unknown, above: readonly unknown[] = []): boolean {
  if (typeof value !== 'object' || value === null) return false
  return above.includes(value) || Object.values(value).some((inner) => holdsItself(inner, [...above, value]))
}

/** The first line of a message without what it quotes at its end; the source is quoted below it. */
function withoutSource(message: string): string {
  const [first = ''] = message.split('\n')
  return first.replace(/:$/, '').replace(/:? "(?:[^"\\]|\\.)*"(?= at line|$)/, '')
}
