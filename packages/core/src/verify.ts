import type { Clock } from './clock.ts'
import { SignalboxError, type SignalboxErrorCode, isSignalboxError } from './errors.ts'
import type { HealthWindow } from './health/health-window.ts'
import type { Probed } from './health/prober.ts'
import { untilAborted } from './sleep.ts'
import type { Candidate } from './types.ts'

/** What a provider said of a key and an address. */
export interface Verified {
  readonly domain: string
  /** The models that stand behind it. */
  readonly models: readonly string[]
  readonly ok: boolean
  /** What is wrong; absent where nothing is. */
  readonly code?: SignalboxErrorCode
  readonly message?: string
  /** What the system said of the connection, for the operator: it may name the address. */
  readonly detail?: string
}

const verifyTimeoutMs = 10_000

/** Asks at each base URL once for each key whether it is taken. Sends no call and costs nothing. */
export async function verifyModels(models: readonly Candidate[], clock: Clock): Promise<readonly Verified[]> {
  const accounts = [...new Set(models.map(accountOf))]
  const membersOf = (wanted: string) => models.filter((model) => accountOf(model) === wanted)
  return Promise.all(accounts.map((account) => verifyAccount(membersOf(account), clock)))
}

const accountOf = ({ domain, account }: Candidate) => JSON.stringify([domain, account])

async function verifyAccount(members: readonly Candidate[], clock: Clock): Promise<Verified> {
  const about = { domain: members[0]!.domain, models: members.map(({ name }) => name) }
  const limit = new AbortController()
  const timer = clock.setTimeout(() => limit.abort(tooLate()), verifyTimeoutMs)
  try {
    const { signal } = limit
    const asked = members.find(({ verify }) => verify)?.verify!({ signal })
    if (asked) await untilAborted(asked, signal)
    return { ...about, ok: true }
  } catch (error) {
    const { code, message, cause } = isSignalboxError(error)
      ? error
      : new SignalboxError('provider_auth_failed', 'The key for the provider could not be had')
    const detail = ofConnections.has(code) ? reasonOf(cause) : undefined
    return { ...about, ok: false, code, message, ...(detail && { detail }) }
  } finally {
    clock.clearTimeout(timer)
  }
}

/** What only the system can say more of. */
const ofConnections: ReadonlySet<string> = new Set(['upstream_unreachable', 'upstream_tls', 'upstream_reset'])

/** Where several addresses were tried, only the code says something. */
const reasonOf = (cause: unknown) =>
  cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : undefined

const tooLate = () => new SignalboxError('upstream_timeout', 'The provider did not answer in time')

const defaultProbe = { intervalMs: 30_000, timeoutMs: 5_000, path: '/models' }

/** What wants to be asked in the background, as the prober takes it: each model once for each way to ask it. */
export function probedModels(models: readonly Candidate[]): readonly Probed[] {
  const asked = new Map<string, { readonly probe: Probed; readonly told: Set<HealthWindow> }>()
  for (const { name, settings, state, verify } of models) {
    if (!settings.health || !settings.health.probe || !verify || !state.health) continue
    const { intervalMs, timeoutMs, path } = { ...defaultProbe, ...settings.health.probe }
    const key = JSON.stringify([name, intervalMs, timeoutMs, path])
    const told = asked.get(key)?.told ?? new Set()
    told.add(state.health)
    const ask = (signal: AbortSignal) => verify({ path, signal })
    const record: Probed['record'] = (outcome) => told.forEach((health) => health.record({ outcome }))
    asked.set(key, { told, probe: { intervalMs, timeoutMs, ask, record } })
  }
  return [...asked.values()].map(({ probe }) => probe)
}
