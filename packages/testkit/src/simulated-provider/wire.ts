import type { ChatRequest } from './chat-request.ts'
import type { PlannedChoice } from './plan.ts'

interface Usage {
  prompt: number
  cached: number
  completion: number
}

export interface Answer {
  id: string
  createdAt: number
  request: ChatRequest
  choices: readonly PlannedChoice[]
  usage: Usage
  random: () => number
}

/** One server-sent event of a stream, and whether it carries content. */
export interface StreamEvent {
  carries: 'role' | 'content' | 'end'
  text: string
}

/** The body of a plain answer. */
export function completionBody(answer: Answer): object {
  return {
    ...heading(answer, 'chat.completion'),
    choices: answer.choices.map((choice, index) => ({
      index,
      message: messageOf(choice),
      logprobs: answer.request.logprobs && choice.tokens ? logprobsOf(choice.tokens, answer.random) : null,
      finish_reason: choice.finishReason,
    })),
    usage: usageBody(answer.usage),
  }
}

/** The events of a streamed answer, `[DONE]` included: the choices' tokens take turns. */
export function streamEvents(answer: Answer): StreamEvent[] {
  const { request, choices } = answer
  const event = (carries: StreamEvent['carries'], index: number, delta: object, rest: object = {}): StreamEvent => {
    const obfuscation = request.includeObfuscation && carries !== 'end' ? { obfuscation: padding(answer.random) } : {}
    const choice = { index, delta, logprobs: null, finish_reason: null, ...rest }
    return {
      carries,
      text: dataLine({ ...chunkHeading(answer), choices: [choice], ...nullUsage(request), ...obfuscation }),
    }
  }
  const deltas = choices.map((choice) => deltasOf(choice, answer))
  const longest = Math.max(...deltas.map(({ length }) => length))
  const opening = deltas.map(([first], index) => event(first!.carries, index, first!.delta))
  const content = Array.from({ length: longest - 1 }, (_, turn) =>
    deltas.flatMap((list, index) => {
      const next = list[turn + 1]
      return next ? [event(next.carries, index, next.delta, next.rest)] : []
    }),
  ).flat()
  const finish = choices.map((choice, index) => event('end', index, {}, { finish_reason: choice.finishReason }))
  return [...opening, ...content, ...finish, ...usageEvents(answer), { carries: 'end', text: 'data: [DONE]\n\n' }]
}

interface Delta {
  carries: 'role' | 'content'
  delta: object
  rest?: object
}

function deltasOf({ tokens, toolCalls }: PlannedChoice, { request, random }: Answer): Delta[] {
  if (tokens) {
    const content = tokens.map((token): Delta => {
      const rest = request.logprobs ? { logprobs: logprobsOf([token], random) } : {}
      return { carries: 'content', delta: { content: token }, rest }
    })
    return [{ carries: 'role', delta: { role: 'assistant', content: '', refusal: null } }, ...content]
  }
  const calls = toolCalls.map(({ id, name, tokens: pieces }, index): [object, Delta[]] => [
    { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
    pieces.map((piece) => ({
      carries: 'content',
      delta: { tool_calls: [{ index, function: { arguments: piece } }] },
    })),
  ])
  const role = { role: 'assistant', content: null }
  // OpenAI names a lone tool call in the role chunk itself, several calls each in a chunk of its own.
  if (calls.length === 1)
    return [{ carries: 'content', delta: { ...role, ...calls[0]![0], refusal: null } }, ...calls[0]![1]]
  return [
    { carries: 'role', delta: role },
    ...calls.flatMap(([start, rest]): Delta[] => [{ carries: 'content', delta: start }, ...rest]),
  ]
}

function messageOf({ tokens, toolCalls }: PlannedChoice): object {
  if (tokens) return { role: 'assistant', content: tokens.join(''), refusal: null, annotations: [] }
  const calls = toolCalls.map(({ id, name, tokens: pieces }) => ({
    id,
    type: 'function',
    function: { name, arguments: pieces.join('') },
  }))
  return { role: 'assistant', content: null, tool_calls: calls, refusal: null, annotations: [] }
}

function usageEvents(answer: Answer): StreamEvent[] {
  if (!answer.request.includeUsage) return []
  return [{ carries: 'end', text: dataLine({ ...chunkHeading(answer), choices: [], usage: usageBody(answer.usage) }) }]
}

function usageBody({ prompt, cached, completion }: Usage): object {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function chunkHeading(answer: Answer): object {
  return heading(answer, 'chat.completion.chunk')
}

function heading({ id, createdAt, request }: Answer, object: string): object {
  const fingerprint = Buffer.from(request.model).toString('hex').slice(0, 10).padEnd(10, '0')
  return {
    id,
    object,
    created: createdAt,
    model: request.model,
    service_tier: 'default',
    system_fingerprint: `fp_${fingerprint}`,
  }
}

function nullUsage({ includeUsage }: ChatRequest): object {
  return includeUsage ? { usage: null } : {}
}

function logprobsOf(tokens: readonly string[], random: () => number): object {
  const content = tokens.map((token) => ({
    token,
    logprob: -Math.round(random() * 1e6) / 1e6,
    bytes: [...Buffer.from(token)],
    top_logprobs: [],
  }))
  return { content, refusal: null }
}

function padding(random: () => number): string {
  return 'x'.repeat(1 + Math.floor(random() * 12))
}

function dataLine(body: object): string {
  return `data: ${JSON.stringify(body)}\n\n`
}
