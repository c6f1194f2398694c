import { bufferOf } from '../buffer.ts'
import { eventsOf } from './change-kind.ts'
import type { Dialect } from './dialect.ts'
import { isRecord, parseExactly } from './json.ts'
import type { StopReason } from './neutral.ts'
import { parseEvent } from './sse.ts'

/** Why the model of a whole answer with one choice stopped. Undefined where nobody can tell. */
export function stopOf(
  { body, isStream }: { readonly body: Uint8Array; readonly isStream: boolean },
  { translation }: Dialect,
): StopReason | undefined {
  if (!translation) return undefined
  if (!isStream) {
    const answer = parseExactly(bufferOf(body).toString())
    return isRecord(answer) ? translation.readAnswer(answer)?.stop : undefined
  }
  const steps = eventsOf(body).map(parseEvent).flatMap(translation.stepReader())
  return steps.find((step) => step.type === 'stop')?.reason
}
