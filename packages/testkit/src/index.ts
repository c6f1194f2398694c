export type { Clock, Timer } from './clock.ts'
export { expectRoute, type ExpectRouteOptions, type ExplainsDecisions, type RouteExpectation } from './expect-route.ts'
export { createFakeClock, type FakeClock, type FakeClockOptions } from './fake-clock.ts'
export { seededRandom } from './seeded-random.ts'
export {
  createSimulatedDispatcher,
  type DispatchedRequest,
  type SimulatedDispatcher,
  type SimulatedDispatcherOptions,
} from './simulated-dispatcher.ts'
export type { SimulatedUsage } from './simulated-dispatcher/answers.ts'
export { drawOutages, type OutageOptions } from './simulated-dispatcher/draw-outages.ts'
export type { EnforcedLimitOptions } from './simulated-dispatcher/enforced-limits.ts'
export type { DispatcherFault, Outage, SimulatedHeaders } from './simulated-dispatcher/faults.ts'
export { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from './simulated-provider.ts'
export type { SimulatedFault } from './simulated-provider/faults.ts'
export type { SimulatedRequest } from './simulated-provider/journal.ts'
export { drawLatencyMs, referenceModels, type SimulatedModel } from './simulated-provider/models.ts'
export {
  inTurn,
  refusedPort,
  startProgrammableUpstream,
  unresolvableHost,
  type ProgrammableUpstream,
  type ProgrammableUpstreamOptions,
  type Responder,
} from './programmable-upstream.ts'
export type { CertificateKind } from './programmable-upstream/certificate.ts'
export { bomb, compressed, type Encoding } from './programmable-upstream/compression.ts'
export {
  bigHeader,
  chunk,
  chunkEach,
  garbage,
  halfHead,
  head,
  html,
  informational,
  json,
  lastChunk,
  obsFold,
  redirect,
  reply,
  stream,
  streamHead,
  type Headers,
  type ReplyOptions,
} from './programmable-upstream/http-steps.ts'
export {
  completion,
  completionBody,
  errorBody,
  fixtureUsage,
  jsonError,
  sse,
  sseComment,
  streamEvents,
  type CompletionFixture,
  type ErrorFixture,
  type SseOptions,
  type StreamFixture,
  type UsageBody,
} from './programmable-upstream/openai-fixtures.ts'
export type { PeerClose, RecordedConnection, RecordedRequest } from './programmable-upstream/records.ts'
export {
  cut,
  cutsInside,
  drip,
  end,
  hang,
  repeat,
  reset,
  resetWhenReused,
  step,
  stopReading,
  wait,
  waitFor,
  write,
  writeEach,
  type Gap,
  type Script,
  type Step,
  type StepContext,
} from './programmable-upstream/steps.ts'
