import { parseArgs } from 'node:util'
import { configFile } from './config-file.ts'
import {
  type ExplainOptions,
  type ReplayOptions,
  type SimulateOptions,
  explainFlags,
  explainOptions,
  replayFlags,
  replayOptions,
  simulateFlags,
  simulateOptions,
} from './decision-arguments.ts'
import { type KeysOptions, keysFlags, keysOptions } from './keys-arguments.ts'
import { type ReportOptions, reportFlags, reportOptions } from './report-arguments.ts'
import type { TrainOptions } from './train.ts'

export type { ExplainOptions, ReplayOptions, SimulateOptions } from './decision-arguments.ts'
export type { KeysOptions } from './keys-arguments.ts'
export type { ReportOptions } from './report-arguments.ts'

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

/** Options of `signalbox tail`. */
export interface TailOptions {
  readonly config: string
  /** How many of the last calls are shown first. */
  readonly lines: number
  readonly json: boolean
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help'; readonly command: string | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly message: string }
  | { readonly kind: 'serve'; readonly options: ServeOptions }
  | { readonly kind: 'doctor'; readonly config: string }
  | { readonly kind: 'report'; readonly options: ReportOptions }
  | { readonly kind: 'keys'; readonly options: KeysOptions }
  | { readonly kind: 'tail'; readonly options: TailOptions }
  | { readonly kind: 'explain'; readonly options: ExplainOptions }
  | { readonly kind: 'replay'; readonly options: ReplayOptions }
  | { readonly kind: 'simulate'; readonly options: SimulateOptions }
  | TrainOptions
  | PluginCommandLine

const commands = ['serve', 'doctor', 'report', 'keys', 'tail', 'train', 'explain', 'replay', 'simulate'] as const

/** Whether a word is a command that needs no plugin. */
export const isOwnCommand = (word: string) => commands.some((name) => name === word)

/** The commands that need no plugin, in words. */
export const ownCommands = `${commands.slice(0, -1).join(', ')} and ${commands.at(-1)}`

/** A command of a plugin: `signalbox PLUGIN COMMAND [--config FILE] [ARGUMENTS]`. */
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
    const { values, positionals } = parse(args, flagsOf(commandIn(args)))
    const [command, ...rest] = positionals
    if (values['help']) return { kind: 'help', command }
    if (values['version']) return { kind: 'version' }
    if (command === undefined) throw new Error('expected a command, such as signalbox serve')
    const known = commands.find((name) => name === command)
    const read = known ? commandOf(known, values as Values, rest) : pluginCommand(command, values as Values, rest)
    checkValues(values)
    return read
  } catch (error) {
    return { kind: 'wrong', message: firstSentence(error as Error) }
  }
}

/** What is empty is often a variable that is not set: nobody has that name, and nothing would be found, or nobody charged. */
function checkValues(values: Readonly<Record<string, unknown>>): void {
  const empty = Object.keys(values).find((flag) => flag !== 'prompt' && [values[flag]].flat().includes(''))
  if (empty !== undefined) throw new Error(`--${empty}: expected a value, got nothing`)
}

function pluginCommand(plugin: string, { config }: Values, [command, ...args]: readonly string[]): PluginCommandLine {
  const asked = `there is no command "${plugin}" of its own (${ownCommands}), and that of a plugin`
  return { kind: 'plugin', config: configFile(config, asked), plugin, command, args }
}

type Values = ReturnType<typeof parse<typeof serveFlags>>['values'] & Readonly<Record<string, string>>

function commandOf(command: (typeof commands)[number], values: Values, rest: readonly string[]): Command {
  if (command === 'report') return { kind: 'report', options: reportOptions(values, rest) }
  if (command === 'keys') return { kind: 'keys', options: keysOptions(values, rest) }
  if (command === 'train') return trainOptions(values, rest[0])
  if (command === 'explain') return { kind: 'explain', options: explainOptions(values, rest) }
  if (command === 'replay') return { kind: 'replay', options: replayOptions(values, rest) }
  if (command === 'simulate')
    return { kind: 'simulate', options: simulateOptions(values as Readonly<Record<string, string>>, rest) }
  if (rest[0] !== undefined) throw new Error(`"${rest[0]}" is one argument too many; a file is given by --config`)
  const config = configFile(values.config, command)
  if (command === 'doctor') return { kind: 'doctor', config }
  if (command === 'serve') return { kind: 'serve', options: serveOptions(values, config) }
  const lines = wholeNumber('--lines', values['lines'] ?? '10', 10_000)
  return { kind: 'tail', options: { config, lines, json: Boolean(values['json']) } }
}

const commonFlags = {
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const

const serveFlags = {
  ...commonFlags,
  config: { type: 'string', short: 'c' },
  port: { type: 'string', short: 'p', default: '3000' },
  host: { type: 'string', default: '127.0.0.1' },
  check: { type: 'boolean', default: false },
  'print-order': { type: 'boolean', default: false },
  'log-level': { type: 'string', default: 'info' },
  'drain-ms': { type: 'string', default: '30000' },
} as const

const doctorFlags = { config: { type: 'string', short: 'c' } } as const

const tailFlags = {
  config: { type: 'string', short: 'c' },
  lines: { type: 'string', short: 'n' },
  json: { type: 'boolean' },
} as const

const trainFlags = {
  data: { type: 'string' },
  ledger: { type: 'string' },
  prompts: { type: 'string' },
  out: { type: 'string' },
} as const

/** The flags of commands that do not serve. */
const ownFlags: Readonly<Record<string, Flags>> = {
  doctor: doctorFlags,
  report: reportFlags,
  keys: keysFlags,
  train: trainFlags,
  tail: tailFlags,
  explain: explainFlags,
  replay: replayFlags,
  simulate: simulateFlags,
}

type Flags = NonNullable<Parameters<typeof parseArgs>[0]>['options'] & object

/** The word that says which flags there are: the first, unless flags stand before it. */
const commandIn = ([first = '', ...rest]: readonly string[]) =>
  first.startsWith('-') ? rest.find((word) => Object.hasOwn(ownFlags, word)) : first

/** The flags of a command. */
function flagsOf(command: string | undefined): Flags {
  const own = command !== undefined && Object.hasOwn(ownFlags, command) ? ownFlags[command] : undefined
  return own ? { ...commonFlags, ...own } : serveFlags
}

const parse = <F extends Flags>(args: readonly string[], options: F) =>
  parseArgs({ args: [...args], allowPositionals: true, options })

function serveOptions(values: Values, config: string): ServeOptions {
  const logLevel = logLevels.find((level) => level === values['log-level'])
  if (!logLevel) throw new Error(`--log-level: expected one of ${logLevels.join(', ')}, got "${values['log-level']}"`)
  // Node takes it for every address of the machine: a variable that is not set would open the server to all.
  if (values.host === '') throw new Error('--host: expected an address such as 127.0.0.1, got nothing')
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

function trainOptions(values: Readonly<Record<string, string | undefined>>, stray: string | undefined): TrainOptions {
  if (stray !== undefined) throw new Error(`"${stray}" is one argument too many; a file is given by --data`)
  const { data, ledger, prompts, out } = values
  if ((ledger === undefined) !== (prompts === undefined))
    throw new Error('--ledger FILE needs --prompts FILE, and the other way: no prompt is in a ledger')
  const rated = ledger === undefined ? undefined : { ledger, prompts: prompts! }
  if ((data === undefined && !rated) || out === undefined)
    throw new Error('train needs --data FILE (or --ledger FILE and --prompts FILE) and --out FILE')
  return { kind: 'train', data, rated, out }
}

function wholeNumber(flag: string, text: string, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= most) return value
  throw new Error(`${flag}: expected a whole number from 0 to ${most}, got "${text}"`)
}

/** Node's own messages are sentences, and go on to explain how to pass what was never meant. */
function firstSentence({ message }: Error): string {
  const [first = ''] = message.split(/\.\s|\n/)
  const [, unvalued] = /^Option '(.+)' argument is ambiguous$/.exec(first) ?? []
  if (unvalued !== undefined) return `${unvalued}: expected a value, got what begins with a dash`
  return first.charAt(0).toLowerCase() + first.slice(1)
}
