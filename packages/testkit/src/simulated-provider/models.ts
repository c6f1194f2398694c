/** A model of the simulated provider. */
export interface SimulatedModel {
  /** What callers write in `model`. */
  readonly name: string
  /** USD per million tokens. */
  readonly price: { readonly input: number; readonly output: number }
  /** Median and 99th percentile of a whole answer's time, in milliseconds, at a latency scale of 1. */
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  /** Chance that a request is answered, 0 to 1. Only honoured with `outages: true`. */
  readonly uptime: number
  /** Tokens of prompt and answer together. */
  readonly contextWindow: number
  readonly strengths: readonly string[]
}

/** The four models that Signalbox's requirements reckon with. Not today's real prices. */
export const referenceModels: readonly SimulatedModel[] = [
  {
    name: 'gpt-4.1',
    price: { input: 8, output: 24 },
    latencyMs: { p50: 720, p99: 1850 },
    uptime: 0.995,
    contextWindow: 128_000,
    strengths: ['code', 'reasoning', 'general'],
  },
  {
    name: 'claude-sonnet-4.5',
    price: { input: 15, output: 75 },
    latencyMs: { p50: 950, p99: 2400 },
    uptime: 0.992,
    contextWindow: 200_000,
    strengths: ['long context', 'analysis', 'writing'],
  },
  {
    name: 'gemini-2.5-flash',
    price: { input: 2.5, output: 10 },
    latencyMs: { p50: 180, p99: 520 },
    uptime: 0.998,
    contextWindow: 100_000,
    strengths: ['fast', 'multimodal', 'summarise'],
  },
  {
    name: 'deepseek-v3.2',
    price: { input: 0.42, output: 2.1 },
    latencyMs: { p50: 280, p99: 890 },
    uptime: 0.997,
    contextWindow: 64_000,
    strengths: ['cheap', 'maths', 'code'],
  },
]

const standardNormalAtP99 = 2.3263478740408408

/**
 * Draws a latency in milliseconds from the log-normal distribution that has the model's p50 and p99.
 *
 * @example
 * const latencyMs = drawLatencyMs(referenceModels[0], seededRandom(1))
 */
export function drawLatencyMs(model: Pick<SimulatedModel, 'latencyMs'>, random: () => number): number {
  const { p50, p99 } = model.latencyMs
  if (p50 <= 0) return 0
  const sigma = Math.log(Math.max(p99, p50) / p50) / standardNormalAtP99
  return p50 * Math.exp(sigma * drawStandardNormal(random))
}

function drawStandardNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
