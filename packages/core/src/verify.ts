import type { Clock } from './clock.ts'
import { SignalboxError, type SignalboxErrorCode, isSignalboxError } from './errors.ts'
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
    const { code, message } = isSignalboxError(error)
      ? error
      : new SignalboxError('provider_auth_failed', 'The key for the provider could not be had')
    return { ...about, ok: false, code, message }
  } finally {
    clock.clearTimeout(timer)
  }
}

const tooLate = () => new SignalboxError('upstream_timeout', 'The provider did not answer in time')

const defaultProbe = { intervalMs: 30_000, timeoutMs: 5_000, path: '/models' }

/** The models that want to be asked in the background, as the prober takes them. */
export function probedModels(models: readonly Candidate[]): readonly Probed[] {
  return models.flatMap(({ settings: { health }, state, verify }) => {
    if (!health || !health.probe || !verify) return []
    const { intervalMs, timeoutMs, path } = { ...defaultProbe, ...health.probe }
    const ask = (signal: AbortSignal) => verify({ path, signal })
    return [{ intervalMs, timeoutMs, ask, record: (outcome) => state.health?.record({ outcome }) }]
  })
}
