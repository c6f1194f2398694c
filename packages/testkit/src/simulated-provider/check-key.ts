import type { IncomingHttpHeaders } from 'node:http'
import { openAiError, type Refusal } from './openai-errors.ts'

/** Asks for a bearer key; with a list of keys, for one of them. */
export function checkKey(headers: IncomingHttpHeaders, apiKeys: readonly string[] | undefined): Refusal | undefined {
  const key = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (!key) return unauthorized("You didn't provide an API key.", null)
  if (!apiKeys || apiKeys.includes(key)) return undefined
  return unauthorized(`Incorrect API key provided: ${masked(key)}.`, 'invalid_api_key')
}

function unauthorized(message: string, code: string | null): Refusal {
  return { status: 401, body: openAiError(message, { code }), headers: { 'www-authenticate': 'Bearer' } }
}

function masked(key: string): string {
  return key.length <= 12 ? '*'.repeat(key.length) : `${key.slice(0, 8)}${'*'.repeat(key.length - 12)}${key.slice(-4)}`
}
