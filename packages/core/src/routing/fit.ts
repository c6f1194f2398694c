import { SignalboxError } from '../errors.ts'
import { tokensOf, withinWindow } from '../tokens/request.ts'
import type { Call, CandidateView, Modality, Request } from '../types.ts'

/** What of a model is compared with a request. */
type Abilities = Pick<CandidateView, 'contextWindow' | 'tools' | 'modalities'>

/** Why a model cannot take a request, as far as its configuration says; undefined where nothing speaks against it. */
export function misfit(request: Request, { contextWindow, tools, modalities }: Abilities): string | undefined {
  if (tools === false && request.tools.length > 0) return 'it calls no tools'
  const [first] = modalities ? unreadable(request, modalities) : []
  if (first !== undefined) return `it reads no ${first}`
  return withinWindow(request, { contextWindow }) ? undefined : 'the request does not fit its context window'
}

const unreadable = (request: Request, modalities: readonly Modality[]) =>
  [...request.modality].filter((one) => one !== 'text' && !modalities.includes(one))

/** The error for a request that fits no model: by its tokens where any could take it otherwise, else by what it asks for. */
export function fitsNone({ request }: Pick<Call, 'request'>, views: readonly Abilities[]): SignalboxError {
  const able = views.filter((view) => misfit(request, { ...abilitiesOf(view), contextWindow: undefined }) === undefined)
  if (able.length > 0) return tooLong(request, able)
  const asked = [...request.modality].filter((one) => one !== 'text')
  const named = [...(request.tools.length > 0 ? ['tools'] : []), ...asked]
  const message = `No model of the route takes a request with all of: ${named.join(', ')}`
  return new SignalboxError('untranslatable', message, { param: asked.length > 0 ? 'messages' : 'tools' })
}

const abilitiesOf = ({ contextWindow, tools, modalities }: Abilities): Abilities => ({
  contextWindow,
  tools,
  modalities,
})

function tooLong(request: Request, views: readonly Abilities[]): SignalboxError {
  const { inputTokens, outputTokens, choices } = tokensOf(request)
  const answerTokens = outputTokens / choices
  const largest = Math.max(...views.map(({ contextWindow = 0 }) => contextWindow))
  const message = `The request needs about ${inputTokens + answerTokens} tokens (${inputTokens} in, ${answerTokens} out), and the largest context window is ${largest}`
  return new SignalboxError('context_length_exceeded', message, { param: 'messages' })
}
