import { type ModelOptions, openaiCompatible } from '@signalbox/core'
import { type SimulatedProvider, startSimulatedProvider } from '@signalbox/testkit'

/** Who answers the prompts: the models, and their names from the quickest to the strongest use. */
export interface Providers {
  readonly models: Readonly<Record<string, ModelOptions>>
  readonly fast: readonly string[]
  readonly strong: readonly string[]
  /** There where no provider key was found. */
  readonly simulated?: SimulatedProvider
  close(): Promise<void>
}

interface Endpoint {
  readonly key: string
  readonly baseUrl: string
  readonly fast: string
  readonly strong: string
}

/** Endpoints that speak OpenAI's chat completions, with a quick model and a strong one each. */
const endpoints: readonly Endpoint[] = [
  { key: 'OPENAI_API_KEY', baseUrl: 'https://api.openai.com/v1', fast: 'gpt-4.1-mini', strong: 'gpt-4.1' },
  {
    key: 'ANTHROPIC_API_KEY',
    baseUrl: 'https://api.anthropic.com/v1',
    fast: 'claude-haiku-4-5',
    strong: 'claude-sonnet-4-5',
  },
  {
    key: 'GEMINI_API_KEY',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    fast: 'gemini-2.5-flash',
    strong: 'gemini-2.5-pro',
  },
  {
    key: 'DEEPSEEK_API_KEY',
    baseUrl: 'https://api.deepseek.com/v1',
    fast: 'deepseek-chat',
    strong: 'deepseek-reasoner',
  },
  {
    key: 'MISTRAL_API_KEY',
    baseUrl: 'https://api.mistral.ai/v1',
    fast: 'mistral-small-latest',
    strong: 'mistral-large-latest',
  },
  {
    key: 'GROQ_API_KEY',
    baseUrl: 'https://api.groq.com/openai/v1',
    fast: 'llama-3.1-8b-instant',
    strong: 'llama-3.3-70b-versatile',
  },
  {
    key: 'OPENROUTER_API_KEY',
    baseUrl: 'https://openrouter.ai/api/v1',
    fast: 'openai/gpt-4.1-mini',
    strong: 'anthropic/claude-sonnet-4.5',
  },
]

/** The environment variables that are looked at for a provider's key. */
export const keyNames: readonly string[] = endpoints.map(({ key }) => key)

type Environment = Readonly<Record<string, string | undefined>>

/** The providers whose keys are in the environment; where there is none, a simulated one. */
export async function chooseProviders(environment: Environment): Promise<Providers> {
  const reachable = endpoints.filter(({ key }) => environment[key])
  return reachable.length > 0 ? realProviders(reachable, environment) : simulatedProviders(environment)
}

function realProviders(reachable: readonly Endpoint[], environment: Environment): Providers {
  const models = reachable.flatMap(({ key, baseUrl, fast, strong }) =>
    [fast, strong].map((model) => [model, openaiCompatible({ baseUrl, model, apiKey: environment[key] })] as const),
  )
  return {
    models: Object.fromEntries(models),
    fast: reachable.map(({ fast }) => fast),
    strong: reachable.map(({ strong }) => strong),
    close: async () => undefined,
  }
}

async function simulatedProviders({ LATENCY_SCALE = '0.7' }: Environment): Promise<Providers> {
  const simulated = await startSimulatedProvider({ latencyScale: Number(LATENCY_SCALE), seed: 4 })
  // A key each, as if they were four providers: a fault of one says nothing about the others.
  const model = (name: string) => openaiCompatible({ baseUrl: simulated.baseUrl, model: name, apiKey: `key-${name}` })
  return {
    models: Object.fromEntries(simulated.models.map(({ name }) => [name, model(name)])),
    fast: ['gemini-2.5-flash', 'deepseek-v3.2'],
    strong: ['gpt-4.1', 'claude-sonnet-4.5'],
    simulated,
    close: () => simulated.close(),
  }
}
