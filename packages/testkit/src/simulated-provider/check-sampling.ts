import { isObject, type JsonObject } from './json-object.ts'
import { badRequest, wrongType, type Refusal } from './openai-errors.ts'

const ranges: [param: string, kind: 'integer' | 'decimal', minimum: number, maximum: number][] = [
  ['n', 'integer', 1, 128],
  ['max_tokens', 'integer', 1, Number.MAX_SAFE_INTEGER],
  ['max_completion_tokens', 'integer', 1, Number.MAX_SAFE_INTEGER],
  ['temperature', 'decimal', 0, 2],
  ['top_p', 'decimal', 0, 1],
  ['presence_penalty', 'decimal', -2, 2],
  ['frequency_penalty', 'decimal', -2, 2],
]

/** Checks the numbers, `stop`, `stream` and `stream_options` of a request. */
export function checkSampling(body: JsonObject): Refusal | undefined {
  for (const range of ranges) {
    const fault = checkRange(body, range)
    if (fault) return fault
  }
  if (isGiven(body.max_tokens) && isGiven(body.max_completion_tokens)) {
    const message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    return badRequest(message, 'max_tokens', 'invalid_parameter_combination')
  }
  return checkStop(body.stop) ?? checkStream(body)
}

function checkRange(body: JsonObject, [param, kind, minimum, maximum]: (typeof ranges)[number]): Refusal | undefined {
  const value = body[param]
  if (!isGiven(value)) return undefined
  if (typeof value !== 'number' || (kind === 'integer' && !Number.isInteger(value))) {
    return wrongType(param, kind === 'integer' ? 'an integer' : 'a decimal', value)
  }
  if (value >= minimum && value <= maximum) return undefined
  const [side, sign, bound] = value < minimum ? (['min', '>=', minimum] as const) : (['max', '<=', maximum] as const)
  const where = side === 'min' ? 'below minimum' : 'above maximum'
  const message = `Invalid '${param}': ${kind} ${where} value. Expected a value ${sign} ${bound}, but got ${value} instead.`
  return badRequest(message, param, `${kind}_${where.replace(' ', '_').replace('imum', '')}_value`)
}

function checkStop(stop: unknown): Refusal | undefined {
  if (!isGiven(stop) || typeof stop === 'string') return undefined
  if (!Array.isArray(stop) || stop.some((each) => typeof each !== 'string')) {
    return wrongType('stop', 'a string or an array of strings', stop)
  }
  if (stop.length <= 4) return undefined
  return badRequest(
    `Invalid 'stop': array too long. Expected at most 4, but got ${stop.length}.`,
    'stop',
    'array_above_max_length',
  )
}

function checkStream(body: JsonObject): Refusal | undefined {
  if (isGiven(body.stream) && typeof body.stream !== 'boolean') {
    return wrongType('stream', 'a boolean', body.stream)
  }
  if (body.stream === true || !isObject(body.stream_options)) return undefined
  return badRequest("The 'stream_options' parameter is only allowed when 'stream' is enabled.", 'stream_options')
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
