import type { Dispatcher } from 'undici'
import { SignalboxError } from '../errors.ts'
import { codeOfRefusal, failureOfConnection } from './failure.ts'
import { keyMissing } from './refusal.ts'

/** A cheap question to a provider: whether it is there and takes the key. */
export interface Verification {
  readonly dispatcher: Dispatcher
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Whether a key is among them. */
  readonly hasKey: boolean
  readonly signal: AbortSignal
  readonly model: string
  /** Whether a web page is an answer, as it may be to a question of the host's own. */
  readonly mayBePage: boolean
}

/**
 * Asks `GET /models`, or what else was given. Costs nothing at any provider.
 *
 * @throws SignalboxError that says what is wrong: the key, the address, or the provider
 */
export async function verify(question: Verification): Promise<void> {
  const { status, isPage } = await ask(question)
  if (status < 300 && (!isPage || question.mayBePage)) return
  const code = codeOfRefusal({ status, error: undefined })
  const isMissing = code === 'provider_auth_failed' && !question.hasKey
  const message = isMissing ? keyMissing : (explanations[code] ?? `The provider answered with status ${status}`)
  throw new SignalboxError(code, message, { model: question.model, status })
}

async function ask({ dispatcher, origin, path, headers, signal, model }: Verification) {
  try {
    const {
      statusCode,
      headers: answered,
      body,
    } = await dispatcher.request({
      origin,
      path,
      method: 'GET',
      headers,
      signal,
    })
    await body.dump()
    return { status: statusCode, isPage: /^text\/html\b/i.test(String(answered['content-type'])) }
  } catch (error) {
    if (!signal.aborted) throw failureOfConnection(error, false, model)
    throw new SignalboxError('upstream_timeout', 'The provider did not answer in time', { cause: error, model })
  }
}

const explanations: Partial<Record<SignalboxError['code'], string>> = {
  provider_auth_failed: 'The provider refused the key',
  provider_model_not_found: 'The provider has nothing at this address: is the base URL right?',
  bad_upstream_response: 'What is at this address is no provider: is the base URL right?',
}
