import { bold, columns } from './terminal.ts'

/** What is told of a command. */
interface CommandHelp {
  /** What stands behind its name. */
  readonly usage: string
  readonly about: string
  /** Its options besides `--config`. */
  readonly options?: readonly Row[]
  /** Whether it goes by other files than a configuration. */
  readonly noConfig?: true
}

type Row = readonly [string, string]

const commands: Readonly<Record<string, CommandHelp>> = {
  serve: {
    usage: '[--config FILE] [options]',
    about: 'Serves the router that a configuration file describes, for any OpenAI client, at http://HOST:PORT/v1.',
    options: [
      ['-p, --port N', 'the port, 0 for any that is free (default 3000)'],
      ['    --host HOST', 'the address to listen at (default 127.0.0.1)'],
      ['    --check', 'say whether the configuration is right, with every fault, and exit'],
      ['    --print-order', 'print the rings, outermost first, and exit'],
      ['    --log-level LEVEL', 'trace, debug, info, warn, error, fatal or silent (default info)'],
      ['    --drain-ms N', 'how long calls under way may take to end after SIGTERM (default 30000)'],
    ],
  },
  doctor: {
    usage: '[--config FILE]',
    about: 'doctor asks every provider once, with a request that costs nothing, whether it is there and takes its key.',
  },
  report: {
    usage: '[savings|recommendations|projection|failovers] [--config FILE] [options]',
    about: 'report says from the ledger what was spent, by whom and on what.',
    options: [
      ['--by GROUP', 'model, user, key, team, route, tag or day (default model)'],
      ['--from, --to TIME', 'a day or a time in UTC, the last day included (default the last 30 days)'],
      ['--format FORMAT', 'table, csv or json (default table)'],
      ['--baseline MODEL', 'what savings are against (default the dearest model)'],
      ['--model, --user, --key, --team, --route, --tag NAME', 'only what is of it'],
      ['--requests, --input-tokens, --output-tokens N', "a month's traffic to project (default the ledger's)"],
      ['--mix a=60,b=40', 'a spread of the traffic to project'],
    ],
  },
  keys: {
    usage: 'create|list|revoke [--config FILE] [options]',
    about: 'keys makes, lists and revokes API keys in the file that the configuration names under "keys".',
    options: [
      ['--name NAME', 'of a key to create: stands for it in reports'],
      ['--user, --team, --tag NAME', 'who is charged'],
      ['--route, --model NAME', 'what it may ask for, and which models may answer (may be repeated)'],
      ['--limit-usd N --window DAY', 'a budget of its own: minute, hour, day, week or month (default day)'],
      ['--max-cost-usd N', 'the most that one call may cost'],
      ['--expires DAY', 'when it ends'],
    ],
  },
  tail: {
    usage: '[--config FILE] [--lines N] [--json]',
    about: 'tail shows the last calls of the ledger and then each new one.',
    options: [
      ['-n, --lines N', 'how many of the last calls are shown first (default 10)'],
      ['    --json', 'each as a line of JSON'],
    ],
  },
  train: {
    usage: '[--data FILE] [--ledger FILE --prompts FILE] --out FILE',
    about:
      'train makes a profile for choosing models from results: lines of {"prompt", "model", "score"[, "cost", "domain"]}.',
    noConfig: true,
    options: [
      ['--data FILE', 'the results to train from, one JSON object a line'],
      ['--ledger FILE', 'a ledger whose rated calls are trained from, too'],
      ['--prompts FILE', 'the prompts of its calls: lines of {"id", "prompt"}'],
      ['--out FILE', 'where the profile is written'],
    ],
  },
  explain: {
    usage: '[--config FILE] --prompt TEXT [options]',
    about: 'explain says which models would be asked for a prompt, and why. It asks none.',
    options: [
      ['--route NAME', 'the route or model asked for (default auto, or the first one)'],
      ['--key, --user, --team, --tier, --tag NAME', 'who asks'],
      ['--label NAME=VALUE', 'a label, whatever the classifiers say (may be repeated)'],
      ['--json', 'the whole record'],
    ],
  },
  replay: {
    usage: 'LOG [--config FILE]',
    about: 'replay makes every decision of a ledger (or a log) again, and prints what is not the same.',
  },
  simulate: {
    usage: '--ledger FILE --policy FILE [options]',
    about:
      'simulate says what another configuration would have made of the calls of a ledger, and what that would have cost.',
    noConfig: true,
    options: [
      ['--ledger FILE', 'the SQLite ledger to read'],
      ['--policy FILE', 'the other configuration'],
      ['--from, --to TIME', 'a day or a time in UTC, the last day included (default all)'],
      ['--format FORMAT', 'table or json (default table)'],
    ],
  },
}

const config: Row = [
  '-c, --config FILE',
  'the configuration (default signalbox.config.json, .yaml, .yml, .ts, .mts, .js or .mjs here)',
]
const common: readonly Row[] = [
  ['-h, --help', 'print this; behind a command, what is of that one'],
  ['-v, --version', 'print the version'],
]

/** What `signalbox --help` prints, or `signalbox COMMAND --help`. */
export function help(command?: string): string {
  return command !== undefined && Object.hasOwn(commands, command) ? helpOf(command, commands[command]!) : overview()
}

const usageOf = (name: string, { usage }: CommandHelp) => `${bold(`signalbox ${name}`)} ${usage}`

function helpOf(name: string, command: CommandHelp): string {
  const { about, options = [], noConfig } = command
  const rows = [...(noConfig ? [] : [config]), ...options]
  return [
    usageOf(name, command),
    '',
    about,
    ...titled('Options', rows),
    ...(name === 'serve' ? ['', ...serving] : []),
  ].join('\n')
}

const titled = (title: string, rows: readonly Row[]) => ['', bold(title), columns(rows)]

const serving = [
  'Log lines go to stdout as JSON. A string that is exactly "$NAME" in the file is that environment variable.',
  'SIGTERM or SIGINT ends it when the calls under way have ended; a second one ends it at once.',
]

function overview(): string {
  return [
    ...Object.entries(commands).map(([name, command]) => usageOf(name, command)),
    `${bold('signalbox PLUGIN COMMAND')} [--config FILE] [-- ARGUMENTS]`,
    '',
    ...Object.values(commands).map(({ about }) => about),
    'PLUGIN COMMAND runs a command that a plugin of the configuration brings along.',
    ...titled('Options', [config, ...common]),
    ...Object.entries(commands).flatMap(([name, { options }]) =>
      options ? titled(`Options of ${name}`, options) : [],
    ),
    '',
    ...serving,
    ...titled('Exit codes', [
      ['0', 'ended as asked'],
      [
        '1',
        'the configuration is wrong, the port is taken, a provider fails the doctor, a profile is not enabled, a replay differs, or a second signal came',
      ],
      ['2', 'wrong use of the command line'],
    ]),
  ].join('\n')
}
