import { bold, columns } from './terminal.ts'

/** What `signalbox --help` prints. */
export const help = () =>
  [
    `${bold('signalbox serve')} --config FILE [options]`,
    `${bold('signalbox doctor')} --config FILE`,
    `${bold('signalbox PLUGIN COMMAND')} --config FILE [-- ARGUMENTS]`,
    '',
    'Serves the router that a configuration file describes, for any OpenAI client, at http://HOST:PORT/v1.',
    'doctor asks every provider once, with a request that costs nothing, whether it is there and takes its key.',
    'PLUGIN COMMAND runs a command that a plugin of the configuration brings along.',
    '',
    bold('Options'),
    columns([
      ['-c, --config FILE', 'the configuration: .json, .yaml, .yml, .ts, .mts, .js or .mjs'],
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
    'Log lines go to stdout as JSON. A string that is exactly "$NAME" in the file is that environment variable.',
    'SIGTERM or SIGINT ends it when the calls under way have ended; a second one ends it at once.',
    '',
    bold('Exit codes'),
    columns([
      ['0', 'ended as asked'],
      ['1', 'the configuration is wrong, the port is taken, a provider fails the doctor, or a second signal came'],
      ['2', 'wrong use of the command line'],
    ]),
  ].join('\n')
