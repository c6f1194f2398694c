import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions'
import type { Providers } from './providers.ts'

/** Something asked of the router, as any OpenAI client asks it. */
export interface Prompt {
  /** The name it asks for: a route of the router. */
  readonly route: string
  readonly text: string
  readonly stream?: boolean
  readonly more?: Pick<ChatCompletionCreateParams, 'tools' | 'response_format'>
}

/** Something that happens to the simulated provider between two prompts. */
export interface Incident {
  readonly says: string
  happen(): void
}

const getWeather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city, now',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
} as const

/** A dozen prompts, and with the simulated provider an outage in the middle of them. */
export function script({ fast, strong, simulated }: Providers): readonly (Prompt | Incident)[] {
  const [quick, best] = [fast[0]!, strong[0]!]
  const incident = (says: string, happen: () => void) => (simulated ? [{ says, happen }] : [])

  return [
    { route: 'auto', text: 'What is the capital of Vietnam?' },
    { route: 'auto', text: 'What is 17 * 23?' },
    { route: 'strong', text: 'Write a TypeScript function that groups a list by a key.' },
    { route: 'auto', text: 'Thủ đô của Nhật Bản là gì?' },
    { route: 'auto', text: 'Name a river in Laos, as JSON.', more: { response_format: { type: 'json_object' } } },
    { route: 'strong', text: 'What is the weather in Hanoi?', more: { tools: [getWeather] } },
    { route: 'auto', text: 'How do I plan a small release?', stream: true },

    ...incident(`${best} goes down: it answers 503 to everything.`, () => simulated!.fail(best, { status: 503 })),
    { route: 'strong', text: 'Compare REST and gRPC for a mobile app.' },
    { route: 'auto', text: 'Viết hàm Python tính trung bình trượt.' },
    { route: 'strong', text: 'Why is the sky blue?', stream: true },
    ...incident(`${best} is back. ${quick} will break off its next stream before the first word.`, () => {
      simulated!.heal(best)
      simulated!.fail(quick, 'cut-before-content', { times: 1 })
    }),
    { route: 'fast', text: 'Explain how a circuit breaker helps.', stream: true },
    { route: 'strong', text: 'Which SQL query counts orders per customer?' },
  ]
}
