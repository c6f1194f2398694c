import { SignalboxError } from '../errors.ts'
import type { Request } from '../types.ts'
import type { Dialect } from './dialect.ts'
import { type JsonBody, unlessTooDeep } from './json-request.ts'
import type { NeutralRequest } from './neutral.ts'
import type { Losses, Target, Translation } from './translation.ts'
import { hasLongNumber, hasValue, isRecord, jsonIn, parseExactly } from './json.ts'

/** A request in another dialect, and what of it could not be said there. */
export interface TranslatedRequest {
  readonly request: Request
  /** The caller's fields that were lost. */
  readonly lost: readonly string[]
  /** The caller's hints that were left out: the answer is the same without them. */
  readonly skipped: readonly string[]
}

/**
 * Writes a request in another dialect.
 *
 * @throws SignalboxError `untranslatable` where the two have nothing in common
 */
export function translateRequest(request: Request, from: Dialect, to: Dialect, target: Target): TranslatedRequest {
  const [reader, writer] = translationsOf(from, to, target)
  const lost = new Set<string>()
  const skipped = new Set<string>()
  const losses: Losses = { lose: (name) => void lost.add(name), skip: (name) => void skipped.add(name) }
  const { neutral, names } = unlessTooDeep(() => readFields(exactBody(request), reader, losses))
  const body: Record<string, unknown> = { model: target.model }
  for (const [field, value] of Object.entries(neutral)) {
    const write = writer.writes[field as keyof NeutralRequest]
    const written = write?.write(value as never, { ...losses, target, request: neutral })
    if (written) Object.assign(body, written)
    else names.get(field)!.tell(losses)
  }
  return { request: to.parse(body), lost: [...lost], skipped: [...skipped] }
}

/** The body with its long numbers as they were written, unless it is too deep for that. */
function exactBody({ body, bytes }: Request): JsonBody {
  const json = jsonIn(bytes)
  const exact = hasLongNumber(json) ? parseExactly(json) : undefined
  return isRecord(exact) ? exact : body
}

/** The translations of two dialects that a request, or its answer, has to pass. */
export function translationsOf(
  from: Dialect,
  to: Dialect,
  { model }: Pick<Target, 'model'>,
): readonly [Translation, Translation] {
  if (from.translation && to.translation) return [from.translation, to.translation]
  throw new SignalboxError('untranslatable', `The model does not serve ${from.path}`, { model })
}

/** What a request asks for in the neutral form, as far as that goes. */
export const readNeutral = (request: Request, translation: Translation): NeutralRequest =>
  readFields(request.body, translation, { lose: ignored, skip: ignored }).neutral

const ignored = () => undefined

interface FieldsRead {
  readonly neutral: NeutralRequest
  /** What to tell where a field cannot be written, by its neutral name. */
  readonly names: ReadonlyMap<string, { tell(losses: Losses): void }>
}

function readFields(body: JsonBody, { reads }: Translation, losses: Losses): FieldsRead {
  const neutral: Record<string, unknown> = {}
  const names = new Map<string, { tell(losses: Losses): void }>()
  for (const [name, value] of Object.entries(body)) {
    if (name === 'model' || !hasValue(value)) continue
    const reader = Object.hasOwn(reads, name) ? reads[name] : undefined
    const told = { tell: ({ lose, skip }: Losses) => (reader?.isHint ? skip : lose)(name) }
    const read = reader?.read?.(value, losses)
    if (!read) told.tell(losses)
    for (const [field, given] of Object.entries(read ?? {})) {
      const before = neutral[field]
      neutral[field] = isRecord(before) && isRecord(given) ? { ...before, ...given } : given
      names.set(field, told)
    }
  }
  return { neutral, names }
}
