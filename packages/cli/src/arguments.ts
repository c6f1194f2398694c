import { parseArgs } from 'node:util'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Options of `signalbox serve`. */
export interface ServeOptions {
  readonly config: string
  readonly port: number
  readonly host: string
  readonly check: boolean
  readonly printOrder: boolean
  readonly logLevel: (typeof logLevels)[number]
  readonly drainMs: number
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly message: string }
  | { readonly kind: 'serve'; readonly options: ServeOptions }
  | { readonly kind: 'doctor'; readonly config: string }
  | PluginCommandLine

/** A command of a plugin: `signalbox PLUGIN COMMAND --config FILE [ARGUMENTS]`. */
export interface PluginCommandLine {
  readonly kind: 'plugin'
  readonly config: string
  readonly plugin: string
  readonly command: string | undefined
  readonly args: readonly string[]
}

/** Reads the command line. Never throws: what is wrong with it is a command too. */
export function readArguments(args: readonly string[]): Command {
  try {
    const { values, positionals } = parse(args)
    if (values.help) return { kind: 'help' }
    if (values.version) return { kind: 'version' }
    const [command, stray, ...rest] = positionals
    if (command === undefined) throw new Error('expected a command: signalbox serve --config FILE')
    if (command !== 'serve' && command !== 'doctor') {
      if (!values.config)
        throw new Error(
          `there is no command "${command}"; there are serve and doctor, and with --config FILE those of its plugins`,
        )
      return { kind: 'plugin', config: values.config, plugin: command, command: stray, args: rest }
    }
    if (stray !== undefined) throw new Error(`"${stray}" is one argument too many; a file is given by --config`)
    if (!values.config) throw new Error(`${command} needs --config FILE`)
    if (command === 'doctor') return { kind: 'doctor', config: values.config }
    return { kind: 'serve', options: serveOptions(values, values.config) }
  } catch (error) {
    return { kind: 'wrong', message: firstSentence(error as Error) }
  }
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      port: { type: 'string', short: 'p', default: '3000' },
      host: { type: 'string', default: '127.0.0.1' },
      check: { type: 'boolean', default: false },
      'print-order': { type: 'boolean', default: false },
      'log-level': { type: 'string', default: 'info' },
      'drain-ms': { type: 'string', default: '30000' },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'v', default: false },
    },
  })

function serveOptions(values: ReturnType<typeof parse>['values'], config: string): ServeOptions {
  const logLevel = logLevels.find((level) => level === values['log-level'])
  if (!logLevel) throw new Error(`--log-level: expected one of ${logLevels.join(', ')}, got "${values['log-level']}"`)
  return {
    config,
    port: wholeNumber('--port', values.port, 65_535),
    host: values.host,
    check: values.check,
    printOrder: values['print-order'],
    logLevel,
    drainMs: wholeNumber('--drain-ms', values['drain-ms'], 2 ** 31 - 1),
  }
}

function wholeNumber(flag: string, text: string, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= most) return value
  throw new Error(`${flag}: expected a whole number from 0 to ${most}, got "${text}"`)
}

/** Node's own messages are sentences, and go on to explain how to pass what was never meant. */
function firstSentence({ message }: Error): string {
  const [first = ''] = message.split(/\.\s|\n/)
  return first.charAt(0).toLowerCase() + first.slice(1)
}
