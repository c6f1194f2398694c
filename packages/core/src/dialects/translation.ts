import type { Candidate } from '../types.ts'
import { hasValue } from './json.ts'
import { refusesSampling } from './reasoning.ts'
import type { SseEvent } from './dialect.ts'
import type { JsonBody } from './json-request.ts'
import type { NeutralAnswer, NeutralRequest, Part, StopReason, StreamStep } from './neutral.ts'

/** What a request is written for. */
export type Target = Pick<Candidate, 'provider' | 'model' | 'maxOutputTokens' | 'reasoning'>

/** Takes note of what is not carried. */
export interface Losses {
  /** Something that would have changed the answer. The name is the caller's, such as `logit_bias`. */
  lose(name: string): void
  /** A hint, a thing of the other provider's own: the answer is the same without it. */
  skip(name: string): void
}

/** What a writer has at hand. */
export interface WriteContext extends Losses {
  readonly target: Target
  readonly request: NeutralRequest
}

/** Reads a top-level field of a request. */
export interface FieldReader {
  /** The fields of the neutral form; none for a field that is carried to no other dialect. */
  readonly carries: readonly (keyof NeutralRequest)[]
  /** Whether the answer is the same without it. */
  readonly isHint?: true
  /** Undefined where the value cannot be carried, and an empty object where it asks for nothing but what is so anyway. */
  read?(value: unknown, losses: Losses): NeutralRequest | undefined
}

/** Writes a field of the neutral form. */
export interface FieldWriter<Field extends keyof NeutralRequest = keyof NeutralRequest> {
  /** The name of the field it becomes. */
  readonly to: string
  /** What the reader of the documentation should know. */
  readonly note?: string
  /** The top-level fields it becomes; undefined where this value cannot be said. */
  write(value: NonNullable<NeutralRequest[Field]>, context: WriteContext): JsonBody | undefined
}

/** Writers by the neutral field they write. */
export type FieldWriters = { readonly [Field in keyof NeutralRequest]?: FieldWriter<Field> }

/** Writes the answer of a stream, step by step. */
export interface StepWriter {
  /** The bytes of a step; none where the dialect has nothing to say at it. */
  write(step: StreamStep): string
}

/** How a dialect is read into the neutral form and written from it. */
export interface Translation {
  /** By the wire's name of a field. A field that is not here is not carried. */
  readonly reads: Readonly<Record<string, FieldReader>>
  readonly writes: FieldWriters
  /** What the parts of messages are: the neutral kind by the wire's own. For the documentation, and for the reader. */
  readonly readsParts: Readonly<Record<string, Part['type']>>
  /** The wire's kind by the neutral one. */
  readonly writesParts: Partial<Readonly<Record<Part['type'], string>>>
  readonly readsStops: Readonly<Record<string, StopReason>>
  readonly writesStops: Readonly<Record<StopReason, string>>
  /** Undefined where the body is no answer. */
  readAnswer(body: JsonBody, losses?: Losses): NeutralAnswer | undefined
  writeAnswer(answer: NeutralAnswer, asked: Asked): JsonBody
  /** Makes a reader for one stream. It must give `stop` and `end` once each. */
  stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[]
  stepWriter(asked: Asked): StepWriter
}

/** What an answer has to know of the request it answers. */
export interface Asked {
  /** The caller's request. */
  readonly body: JsonBody
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number
}

/** Tells of the fields of something inside a request that are not carried: what they are in can be said without them. */
export function tellOthers(at: string, given: JsonBody, known: readonly string[], { skip }: Losses): void {
  for (const [name, value] of Object.entries(given)) if (!known.includes(name) && tells(value)) skip(`${at}.${name}`)
}

/** An empty list is how OpenAI writes that there is none, as of an answer's `annotations`. */
const tells = (value: unknown) => hasValue(value) && !(Array.isArray(value) && value.length === 0)

/** A field that is one neutral field: `read` gives undefined for a value that cannot be carried. */
export const reads = <Field extends keyof NeutralRequest>(
  field: Field,
  read: (value: unknown, losses: Losses) => NeutralRequest[Field],
): FieldReader => ({
  carries: [field],
  read(value, losses) {
    const given = read(value, losses)
    return given === undefined ? undefined : { [field]: given }
  },
})

/** Words at which to stop, or one. None are no wish, and what is no word cannot be carried. */
export const readsStop: FieldReader = {
  carries: ['stop'],
  read(value) {
    const stop: unknown[] = Array.isArray(value) ? value : [value]
    if (stop.length === 0) return {}
    return stop.every((word) => typeof word === 'string') ? { stop } : undefined
  },
}

/** A field that no other dialect has. What `isIdle` says changes nothing is no loss. */
export const notCarried = (isIdle: (value: unknown) => boolean = () => false): FieldReader => ({
  carries: [],
  read: (value) => (isIdle(value) ? {} : undefined),
})

/** A field that no other dialect has, and without which the answer is the same. */
export const hint: FieldReader = { carries: [], isHint: true }

/** The same, but for a value that asks for nothing but what is so anyway. */
export const hintUnless = (isIdle: (value: unknown) => boolean): FieldReader => ({
  ...notCarried(isIdle),
  isHint: true,
})

/** Writes a neutral field as one field with the same value. */
export const writesAs = <Field extends keyof NeutralRequest>(to: string): FieldWriter<Field> => ({
  to,
  write: (value) => ({ [to]: value }),
})

/** Writes how to sample; not to a model that refuses to be told, and 1 is what is so anyway. */
export const writesSampling = <Field extends 'temperature' | 'topP' | 'topK'>(to: string): FieldWriter<Field> => ({
  to,
  note: 'not to models that refuse to be told how to sample',
  write: (value, { target }) => (!refusesSampling(target) ? { [to]: value } : value === 1 ? {} : undefined),
})

/** Writes nothing, since the dialect does so anyway, or another writer does. */
export const writesNothing = (to: string, note: string): FieldWriter<never> => ({ to, note, write: () => ({}) })

/** What stands in a row, where each goes with the one before it. */
export function runsOf<T>(
  all: readonly T[],
  goesWith: (one: T, before: T) => boolean,
): readonly (readonly [T, ...T[]])[] {
  const runs: [T, ...T[]][] = []
  for (const one of all) {
    const run = runs.at(-1)
    if (run && goesWith(one, run.at(-1)!)) run.push(one)
    else runs.push([one])
  }
  return runs
}
