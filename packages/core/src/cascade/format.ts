import { dialects } from '../dialects/index.ts'
import { parseJson } from '../dialects/json.ts'
import type { NeutralRequest } from '../dialects/neutral.ts'
import { readNeutral } from '../dialects/translate.ts'
import { isRecord } from '../is-record.ts'
import type { Call } from '../types.ts'
import { schemaFault } from './json-schema.ts'
import { type VerifiedAnswer, type Verdict, type Verifier, accepted, rejected } from './verifier.ts'

/** Options of the verifier `schema`. */
export interface SchemaVerifierOptions {
  /** A JSON Schema that the answer's text must fit. @default the one that the request asks for */
  readonly schema?: object | boolean | undefined
}

/**
 * Accepts an answer whose text is JSON that fits a schema: the request's own (`response_format`), or a given one. A call
 * that asks for JSON without a schema wants an object. An answer that calls tools is for the verifier `tools`.
 */
export function schemaVerifier({ schema }: SchemaVerifierOptions = {}): Verifier {
  const given = schema === undefined ? undefined : schemaFault(schema)
  return {
    name: 'schema',
    appliesTo: (call) => given !== undefined || asksForJson(neutralOf(call)),
    prepare(call) {
      const faultOf = given ?? faultByRequest(neutralOf(call))
      return (answer) => judge(answer, faultOf, call)
    },
  }
}

function judge({ text, toolCalls }: VerifiedAnswer, faultOf: FaultOf, { request }: Call): Verdict {
  if (toolCalls.length > 0 && request.tools.length > 0) return accepted('it calls tools')
  const value = parseJson(text)
  if (value === undefined) return rejected('its text is no JSON')
  const fault = faultOf(value)
  return fault === undefined ? accepted('its JSON fits the schema') : rejected(fault)
}

type FaultOf = (value: unknown) => string | undefined

const asksForJson = ({ responseFormat }: NeutralRequest) =>
  responseFormat !== undefined && responseFormat.type !== 'text'

function faultByRequest({ responseFormat }: NeutralRequest): FaultOf {
  if (responseFormat?.type === 'json-schema') return schemaFault(responseFormat.schema, { isForeign: true })
  return (value) => (isRecord(value) ? undefined : '#: expected an object')
}

/**
 * Accepts an answer whose calls of tools can be carried out: each names a tool of the request, with arguments that fit
 * its schema, and there is one where the request demands it. Calls without tools give it nothing to verify.
 */
export function toolsVerifier(): Verifier {
  return {
    name: 'tools',
    appliesTo: ({ request }) => request.tools.length > 0,
    prepare(call) {
      const { tools } = call.request
      const { toolChoice = 'auto' } = neutralOf(call)
      const faults = new Map(
        tools.map(({ name, inputSchema }) => [name, schemaFault(inputSchema ?? true, { isForeign: true })]),
      )
      return ({ toolCalls }) => {
        if (toolCalls.length === 0) return withoutCalls(toolChoice)
        if (toolChoice === 'none') return rejected('it calls a tool, and is to call none')
        for (const one of toolCalls) {
          const fault = faultOfCall(one, faults)
          if (fault !== undefined) return rejected(`${JSON.stringify(one.name)}: ${fault}`)
        }
        return hasChosen(toolCalls, toolChoice)
          ? accepted('its calls fit the tools')
          : rejected('it calls another tool')
      }
    },
  }
}

type ToolChoice = NonNullable<NeutralRequest['toolChoice']>

const withoutCalls = (choice: ToolChoice) =>
  choice === 'auto' || choice === 'none' ? accepted('it calls no tool') : rejected('it calls no tool, and has to')

const hasChosen = (calls: VerifiedAnswer['toolCalls'], choice: ToolChoice) =>
  typeof choice === 'string' || calls.some(({ name }) => name === choice.name)

function faultOfCall(
  { name, arguments: written }: VerifiedAnswer['toolCalls'][number],
  faults: ReadonlyMap<string, FaultOf>,
): string | undefined {
  const faultOf = faults.get(name)
  if (!faultOf) return 'the request has no such tool'
  const value = written.trim() === '' ? {} : parseJson(written)
  return isRecord(value) ? faultOf(value) : 'its arguments are no JSON object'
}

/** What a request asks for, whatever its dialect. */
function neutralOf({ request, dialect }: Call): NeutralRequest {
  const { translation } = dialects[dialect]
  return translation ? readNeutral(request, translation) : {}
}
