import { bold, columns } from './terminal.ts'

/** What `signalbox --help` prints. */
export const help = () =>
  [
    `${bold('signalbox serve')} [--config FILE] [options]`,
    `${bold('signalbox doctor')} [--config FILE]`,
    `${bold('signalbox report')} [savings|recommendations|projection|failovers] [--config FILE] [options]`,
    `${bold('signalbox keys')} create|list|revoke [--config FILE] [options]`,
    `${bold('signalbox tail')} [--config FILE] [--lines N] [--json]`,
    `${bold('signalbox train')} [--data FILE] [--ledger FILE --prompts FILE] --out FILE`,
    `${bold('signalbox explain')} [--config FILE] --prompt TEXT [options]`,
    `${bold('signalbox replay')} LOG [--config FILE]`,
    `${bold('signalbox simulate')} --ledger FILE --policy FILE [options]`,
    `${bold('signalbox PLUGIN COMMAND')} [--config FILE] [-- ARGUMENTS]`,
    '',
    'Serves the router that a configuration file describes, for any OpenAI client, at http://HOST:PORT/v1.',
    'doctor asks every provider once, with a request that costs nothing, whether it is there and takes its key.',
    'train makes a profile for choosing models from results: lines of {"prompt", "model", "score"[, "cost", "domain"]}.',
    'explain says which models would be asked for a prompt, and why. It asks none.',
    'replay makes every decision of a ledger (or a log) again, and prints what is not the same.',
    'simulate says what another configuration would have made of the calls of a ledger, and what that would have cost.',
    'PLUGIN COMMAND runs a command that a plugin of the configuration brings along.',
    '',
    bold('Options'),
    columns([
      [
        '-c, --config FILE',
        'the configuration (default signalbox.config.json, .yaml, .yml, .ts, .mts, .js or .mjs here)',
      ],
      ['    --data FILE', 'the results to train from, one JSON object a line'],
      ['    --ledger FILE', 'a ledger whose rated calls are trained from, too'],
      ['    --prompts FILE', 'the prompts of its calls: lines of {"id", "prompt"}'],
      ['    --out FILE', 'where the profile is written'],
      ['-p, --port N', 'the port, 0 for any that is free (default 3000)'],
      ['    --host HOST', 'the address to listen at (default 127.0.0.1)'],
      ['    --check', 'say whether the configuration is right, with every fault, and exit'],
      ['    --print-order', 'print the rings, outermost first, and exit'],
      ['    --log-level LEVEL', 'trace, debug, info, warn, error, fatal or silent (default info)'],
      ['    --drain-ms N', 'how long calls under way may take to end after SIGTERM (default 30000)'],
      ['-h, --help', 'print this'],
      ['-v, --version', 'print the version'],
    ]),
    '',
    ...commandOptions(),
    'Log lines go to stdout as JSON. A string that is exactly "$NAME" in the file is that environment variable.',
    'SIGTERM or SIGINT ends it when the calls under way have ended; a second one ends it at once.',
    '',
    bold('Exit codes'),
    columns([
      ['0', 'ended as asked'],
      [
        '1',
        'the configuration is wrong, the port is taken, a provider fails the doctor, a profile is not enabled, a replay differs, or a second signal came',
      ],
      ['2', 'wrong use of the command line'],
    ]),
  ].join('\n')

/** The options of commands that have their own. */
function commandOptions(): readonly string[] {
  return [
    bold('Options of report'),
    columns([
      ['--by GROUP', 'model, user, key, team, route, tag or day (default model)'],
      ['--from, --to TIME', 'a day or a time in UTC, the last day included (default the last 30 days)'],
      ['--format FORMAT', 'table, csv or json (default table)'],
      ['--baseline MODEL', 'what savings are against (default the dearest model)'],
      ['--model, --user, --key, --team, --route, --tag NAME', 'only what is of it'],
      ['--requests, --input-tokens, --output-tokens N', "a month's traffic to project (default the ledger's)"],
      ['--mix a=60,b=40', 'a spread of the traffic to project'],
    ]),
    '',
    bold('Options of explain'),
    columns([
      ['--route NAME', 'the route or model asked for (default auto, or the first one)'],
      ['--key, --user, --team, --tier, --tag NAME', 'who asks'],
      ['--label NAME=VALUE', 'a label, whatever the classifiers say (may be repeated)'],
      ['--json', 'the whole record'],
    ]),
    '',
    bold('Options of simulate'),
    columns([
      ['--ledger FILE', 'the SQLite ledger to read'],
      ['--policy FILE', 'the other configuration'],
      ['--from, --to TIME', 'a day or a time in UTC, the last day included (default all)'],
      ['--format FORMAT', 'table or json (default table)'],
    ]),
    '',
    bold('Options of keys create'),
    columns([
      ['--name NAME', 'stands for the key in reports'],
      ['--user, --team, --tag NAME', 'who is charged'],
      ['--route, --model NAME', 'what it may ask for, and which models may answer (may be repeated)'],
      ['--limit-usd N --window DAY', 'a budget of its own: minute, hour, day, week or month (default day)'],
      ['--max-cost-usd N', 'the most that one call may cost'],
      ['--expires DAY', 'when it ends'],
    ]),
    '',
  ]
}
