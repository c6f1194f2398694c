import type { SignalboxError } from '../errors.ts'
import { errorTypeOf } from '../http/errors.ts'
import type { ProviderError } from './dialect.ts'

/** The body of an error answer in OpenAI's dialects. */
export const errorBody = (error: SignalboxError) => ({
  error: { message: error.message, type: errorTypeOf(error), param: error.param ?? null, code: error.code },
})

/** What another provider said, as OpenAI would have put it. */
export const toldBody = ({ message, type, code }: ProviderError) => ({
  error: { message, type: type ?? null, param: null, code: code ?? null },
})

/** A body as bytes. */
export const jsonBytes = (body: object): Uint8Array => Buffer.from(JSON.stringify(body))
