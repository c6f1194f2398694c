import type { Dispatcher } from 'undici'
import { SignalboxError } from '../errors.ts'
import { codeOfRefusal, failureOfConnection } from './failure.ts'

/** A cheap question to a provider: whether it is there and takes the key. */
export interface Verification {
  readonly dispatcher: Dispatcher
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly model: string
}

/**
 * Asks `GET /models`, or what else was given. Costs nothing at any provider.
 *
 * @throws SignalboxError that says what is wrong: the key, the address, or the provider
 */
export async function verify({ dispatcher, origin, path, headers, signal, model }: Verification): Promise<void> {
  let status: number
  try {
    const response = await dispatcher.request({ origin, path, method: 'GET', headers, signal })
    status = response.statusCode
    await response.body.dump()
  } catch (error) {
    if (signal.aborted)
      throw new SignalboxError('upstream_timeout', 'The provider did not answer in time', { cause: error, model })
    throw failureOfConnection(error, false, model)
  }
  if (status < 300) return
  const code = codeOfRefusal({ status, error: undefined })
  throw new SignalboxError(code, explanations[code] ?? `The provider answered with status ${status}`, { model, status })
}

const explanations: Partial<Record<SignalboxError['code'], string>> = {
  provider_auth_failed: 'The provider refused the key',
  provider_model_not_found: 'The provider has nothing at this address: is the base URL right?',
  bad_upstream_response: 'The provider sends us elsewhere: is the base URL right?',
}
