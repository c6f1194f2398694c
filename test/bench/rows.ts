import { fileURLToPath } from 'node:url'
import type { ServerName } from './servers/index.ts'

/** What is measured of a row. */
export type Phase = 'busy' | 'single' | 'first-chunk' | 'chunks' | 'hold' | 'failover'

/** Every phase, in the order in which a round runs them. */
export const phases: readonly Phase[] = ['busy', 'single', 'first-chunk', 'chunks', 'failover', 'hold']

/** Headers that a row needs; the base addresses of its upstreams are known only when they run. */
type Headers = (upstream: string, broken: string) => Record<string, string>

/** Something that answers chat completions. */
export interface Row {
  readonly id: string
  readonly label: string
  readonly kind: 'limit' | 'floor' | 'ours' | 'peer'
  /** Absent for the upstream itself. */
  readonly server?: ServerName
  readonly phases: readonly Phase[]
  readonly headers?: Headers
  /** Where it fails over by its headers and not by its configuration. */
  readonly failoverHeaders?: Headers
  /** What a row of our own stands in: rows with one are held to the targets. */
  readonly mount?: 'none' | 'framework'
  /** The Node that runs it, where it is another one. */
  readonly node?: string
  /** Takes long to start, or is slow: left out of the smoke test, and only some rounds run more of it than the busy phase. */
  readonly heavy?: true
}

const all = phases.filter((phase) => phase !== 'failover')

/** Every row. A new one is a server in `servers/` and an entry here; rows with a `mount` are held to the targets. */
export const rows: readonly Row[] = [
  {
    id: 'direct',
    label: 'no proxy',
    kind: 'limit',
    phases: ['busy', 'single', 'first-chunk', 'chunks'],
  },
  { id: 'pipe', label: '`node:http` + undici dispatch, no parsing', kind: 'floor', server: 'pipe', phases: all },
  { id: 'listener', label: 'Signalbox on `node:http`', kind: 'ours', server: 'listener', phases, mount: 'none' },
  { id: 'express', label: 'Signalbox in Express 5', kind: 'ours', server: 'express', phases, mount: 'framework' },
  { id: 'koa', label: 'Signalbox in Koa 3', kind: 'ours', server: 'koa', phases, mount: 'framework' },
  {
    id: 'listener-plugins',
    label: 'listener with eight plugins that do nothing',
    kind: 'ours',
    server: 'listener-plugins',
    phases: ['busy'],
    mount: 'none',
  },
  {
    id: 'listener-cached',
    label: 'listener, answered by its cache',
    kind: 'ours',
    server: 'listener-cached',
    phases: ['busy'],
    mount: 'none',
  },
  ...(['listener', 'express', 'koa'] as const).flatMap((mount): Row[] => [
    {
      id: `${mount}-money`,
      label: `${mount} with limiter, breaker, budgets and ledger`,
      kind: 'ours',
      server: `${mount}-money`,
      phases: ['busy', 'chunks'],
      mount: mount === 'listener' ? 'none' : 'framework',
      ...(mount !== 'listener' && { heavy: true }),
    },
    {
      id: `${mount}-sqlite`,
      label: `the same, limits and budgets in SQLite`,
      kind: 'ours',
      server: `${mount}-sqlite`,
      phases: ['busy', 'chunks'],
      ...(mount !== 'listener' && { heavy: true }),
    },
  ]),
  {
    id: 'express-undici',
    label: 'Express 5 + `express.json` + `undici.request`',
    kind: 'peer',
    server: 'express-undici',
    phases: all,
  },
  {
    id: 'hpm',
    label: 'http-proxy-middleware in Express 5',
    kind: 'peer',
    server: 'http-proxy-middleware',
    phases: all,
  },
  { id: 'fastify', label: 'fastify + @fastify/http-proxy', kind: 'peer', server: 'fastify', phases: all },
  { id: 'ai-sdk', label: 'Express 5 + AI SDK', kind: 'peer', server: 'ai-sdk', phases: all, heavy: true },
  {
    id: 'portkey',
    label: 'Portkey gateway',
    kind: 'peer',
    server: 'portkey',
    phases,
    headers: (upstream) => ({ 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream}/v1` }),
    failoverHeaders: (upstream, broken) => ({
      'x-portkey-config': JSON.stringify({
        strategy: { mode: 'fallback' },
        targets: [broken, upstream].map((base) => ({
          provider: 'openai',
          api_key: 'sk-bench',
          custom_host: `${base}/v1`,
        })),
      }),
    }),
    heavy: true,
  },
  ...(['pipe', 'listener', 'express', 'koa'] as const).map((server): Row => ({
    id: `${server}-node22`,
    label: `${server} on Node 22`,
    kind: server === 'pipe' ? 'floor' : 'ours',
    server,
    phases: ['busy'],
    node: node22(),
    heavy: true,
  })),
]

function node22(): string {
  return fileURLToPath(new URL('bin/node', import.meta.resolve('node-22/package.json')))
}
