import type { UpstreamHeaders } from './exchange-options.ts'

const names = ['content-type', 'openai-processing-ms', 'openai-version'] as const

/** Those headers of a provider's answer that go on to the caller. */
export function passedHeaders(headers: UpstreamHeaders): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') passed[name] = value
  }
  return passed
}
