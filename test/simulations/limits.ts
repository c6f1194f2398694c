import type { DispatchedRequest } from '@signalbox/testkit'

/** The most that came within any 60 seconds: of requests, and of their tokens. Counts what the upstream took on. */
export function mostInAMinute(journal: readonly DispatchedRequest[]): { requests: number; tokens: number } {
  const taken = journal.filter(({ outcome }) => outcome !== 'limited')
  const most = { requests: 0, tokens: 0 }
  let head = 0
  let tokens = 0
  taken.forEach((request, index) => {
    tokens += request.tokens
    while (taken[head]!.atMs <= request.atMs - 60_000) tokens -= taken[head++]!.tokens
    most.requests = Math.max(most.requests, index - head + 1)
    most.tokens = Math.max(most.tokens, tokens)
  })
  return most
}
