import { expect, it } from 'vitest'
import { readArguments } from './arguments.ts'

it('reads every option, and has a default for all but the file', () => {
  expect(readArguments(['serve', '--config', 'a.json'])).toEqual({
    kind: 'serve',
    options: {
      config: 'a.json',
      port: 3000,
      host: '127.0.0.1',
      check: false,
      printOrder: false,
      logLevel: 'info',
      drainMs: 30_000,
    },
  })
  const all = 'serve -c b.yaml -p 0 --host ::1 --check --print-order --log-level=debug --drain-ms 5'
  expect(readArguments(all.split(' '))).toEqual({
    kind: 'serve',
    options: {
      config: 'b.yaml',
      port: 0,
      host: '::1',
      check: true,
      printOrder: true,
      logLevel: 'debug',
      drainMs: 5,
    },
  })
})

it.each([
  ['--help', { kind: 'help', command: undefined }],
  ['serve -h', { kind: 'help', command: 'serve' }],
  ['keys create --help', { kind: 'help', command: 'keys' }],
  ['--version', { kind: 'version' }],
  ['-v', { kind: 'version' }],
])('takes %s for %o', (line, command) => {
  expect(readArguments(line.split(' '))).toEqual(command)
})

it.each([
  ['--from 2026-11-01 --to 2026-11-30', '2026-11-01T00:00Z', '2026-12-01T00:00Z'],
  ['--from 2026-02-28 --to 2028-02-29', '2026-02-28T00:00Z', '2028-03-01T00:00Z'],
  ['--from 2026-11-21T12:00Z --to 2026-11-21T12:00-05:00', '2026-11-21T12:00Z', '2026-11-21T17:00Z'],
])('takes the period of %s', (line, from, to) => {
  const read = readArguments(`report -c x.json ${line}`.split(' '))
  expect(read).toMatchObject({ options: { from: Date.parse(from), to: Date.parse(to) } })
})

it('takes flags before the command, too', () => {
  expect(readArguments('-c x.json --by user report savings'.split(' '))).toMatchObject({
    kind: 'report',
    options: { config: 'x.json', by: 'user', kind: 'savings' },
  })
  expect(readArguments('-c x.json serve --port 1'.split(' '))).toMatchObject({ kind: 'serve', options: { port: 1 } })
})

it('takes any other word for a plugin of the configuration, where there is one', () => {
  expect(readArguments('cache clear -c a.json -- all --now'.split(' '))).toEqual({
    kind: 'plugin',
    config: 'a.json',
    plugin: 'cache',
    command: 'clear',
    args: ['all', '--now'],
  })
  expect(readArguments('cache -c a.json'.split(' '))).toMatchObject({ plugin: 'cache', command: undefined, args: [] })
})

it.each([
  ['', 'expected a command, such as signalbox serve'],
  ['serve --config', "option '-c, --config <value>' argument missing"],
  ['serve signalbox.json', '"signalbox.json" is one argument too many; a file is given by --config'],
  ['serve --confg x.json', "unknown option '--confg'"],
  ['serve --check=yes -c x.json', "option '--check' does not take an argument"],
  ['serve -c x.json --port http', '--port: expected a whole number from 0 to 65535, got "http"'],
  ['serve -c x.json --port 65536', '--port: expected a whole number from 0 to 65535, got "65536"'],
  ['serve -c x.json --host=', '--host: expected an address such as 127.0.0.1, got nothing'],
  ['report -c x.json --user=', '--user: expected a value, got nothing'],
  ['explain -c x.json --prompt=hi --team=', '--team: expected a value, got nothing'],
  ['keys create -c x.json --name a --tag x --tag=', '--tag: expected a value, got nothing'],
  ['train --data x.jsonl --out=', '--out: expected a value, got nothing'],
  ['serve -c x.json --port -1', '--port: expected a value, got what begins with a dash'],
  ['doctor -c x.json --port 1', "unknown option '--port'"],
  [
    'report bills -c x.json',
    'report: expected one of costs, savings, recommendations, projection, failovers, got "bills"',
  ],
  ['report -c x.json --by hour', '--by: expected one of model, user, key, team, route, tag, day, got "hour"'],
  [
    'report -c x.json --from yesterday',
    '--from: expected a day such as 2026-11-21 or a time such as 2026-11-21T12:00Z, got "yesterday"',
  ],
  ...['2026-02-30', '2026-11-31', '2026-11', '2026-11-31T12:00Z'].map((day) => [
    `report -c x.json --to ${day}`,
    `--to: expected a day such as 2026-11-21 or a time such as 2026-11-21T12:00Z, got "${day}"`,
  ]),
  [
    'report -c x.json --from 2026-12-01 --to 2026-11-30',
    '--from: expected a time before --to 2026-11-30, got "2026-12-01"',
  ],
  [
    'simulate --ledger a --policy b --from 2026-11-21T12:00Z --to 2026-11-21T12:00Z',
    '--from: expected a time before --to 2026-11-21T12:00Z, got "2026-11-21T12:00Z"',
  ],
  ['report -c x.json --from 2999-01-01', '--from: expected a time before now, got "2999-01-01"'],
  ['report projection -c x.json --mix a=0,b=0', '--mix: expected shares such as "a=60,b=40", got "a=0,b=0"'],
  ['report failovers -c x.json --by user', '--by needs report costs or report savings, got report failovers'],
  ['report -c x.json --mix a=60,b=40', '--mix needs report projection, got report costs'],
  ['report savings -c x.json --requests 5', '--requests needs report projection, got report savings'],
  ['report projection -c x.json --input-tokens 5', '--input-tokens needs --requests: it is of each of them'],
  ['report projection -c x.json --requests many', '--requests: expected a whole number, got "many"'],
  ['report projection -c x.json --mix a=', '--mix: expected shares such as "a=60,b=40", got "a="'],
  ['report projection -c x.json --mix a=1e400', '--mix: expected shares such as "a=60,b=40", got "a=1e400"'],
  ['report projection -c x.json --mix a=1e-7', '--mix: expected shares such as "a=60,b=40", got "a=1e-7"'],
  ['report -c x.json --port 1', "unknown option '--port'"],
  ['keys', 'keys: expected one of create, list, revoke, got "nothing"'],
  ['keys create --config x.json', 'keys create needs --name NAME'],
  ['keys create --config x.json --name a --expires 2020-01-01', '--expires: expected a time to come, got "2020-01-01"'],
  ['keys list --config x.json --name a', '--name needs keys create, got keys list'],
  ['keys revoke a --config x.json --model b', '--model needs keys create, got keys revoke'],
  ['keys revoke --config x.json', 'keys revoke needs the name or the id of a key'],
  ['serve -c x.json --drain-ms 1.5', '--drain-ms: expected a whole number from 0 to 2147483647, got "1.5"'],
  [
    'serve -c x.json --log-level loud',
    '--log-level: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
  ],
])('says what is wrong with "%s"', (line, message) => {
  expect(readArguments(line.split(' ').filter(Boolean))).toEqual({ kind: 'wrong', message })
})
