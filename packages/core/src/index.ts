export type { BegunCall, CallerRouter, CloseOptions, Router } from './router.ts'
export type { OrderedHook } from './rings.ts'
export { createRouter } from './router.ts'
export type { AnswerTextOptions, MapText } from './answer-text/index.ts'
export { mapAnswerText } from './answer-text/index.ts'
export type { CacheStatus } from './call-cache/answer-cache.ts'
export type { CachedAnswer } from './cache/answer.ts'
export { decodeAnswer, encodeAnswer } from './cache/answer.ts'
export type { AnswerLayer, LayerSize } from './cache/layer.ts'
export type { CacheOptions, CacheScope, CacheSettings } from './cache/settings.ts'
export type { CallInit } from './call.ts'
export type { Clock, Random, Timer } from './clock.ts'
export { seededRandom, systemClock } from './clock.ts'
export type {
  AnthropicModelOptions,
  ApiKey,
  ChatDialect,
  CommonModelOptions,
  CustomModelOptions,
  ModelOptions,
  OpenAiCompatibleModelOptions,
  OpenAiModelOptions,
  PluginConfig,
  RouteOptions,
  RouterOptions,
} from './config/options.ts'
export type {
  BreakerSettings,
  HealthSettings,
  ProbeSettings,
  RetrySettings,
  Settings,
  TimeoutSettings,
} from './config/defaults.ts'
export type { LimitRule, LimitSettings, ModelLimits, TierLimits } from './config/limits.ts'
export type { AdaptiveConcurrencySettings } from './limiter/adaptive-concurrency.ts'
export type { BreakerChange, BreakerSnapshot, BreakerState } from './breaker/types.ts'
export type { HealthSnapshot, HealthState } from './health/health-window.ts'
export { configJsonSchema } from './config/schema.ts'
export type { KeyScope, KeySettings, KeySource, StoredKey } from './keys/settings.ts'
export { createKey, readKeys, revokeKeys } from './keys/key-file.ts'
export type { LoadConfigOptions } from './config/load.ts'
export { loadConfig } from './config/load.ts'
export type {
  AttemptFailure,
  Billed,
  ReachedLimit,
  SignalboxErrorCode,
  SignalboxErrorOptions,
  UpstreamAnswer,
} from './errors.ts'
export { SignalboxError, isSignalboxError } from './errors.ts'
export type { Alert, BudgetTelling, Events, RouterEvent, RouterEvents, Warning } from './events.ts'
export type { Feedback } from './feedback.ts'
export type { BudgetGuard, CacheLayer, Classify, Guard, Labels, LiftOptions, StoredAnswer } from './lifts.ts'
export { budgetGuard, cacheLayer, classifier, guard, refuse } from './lifts.ts'
export type {
  AttemptStage,
  CallStage,
  Hook,
  HookOptions,
  Plugin,
  PluginDeclaration,
  PluginFactory,
  PluginServices,
  RouteHook,
  StrategyFactory,
  TryCandidate,
} from './plugin.ts'
export { definePlugin } from './plugin.ts'
export type { CommandContext, PluginAnswer, PluginCommand, PluginPath, PluginRequest } from './hooks/plugin-edges.ts'
export type { HedgeOptions } from './routing/hedge.ts'
export { hedge } from './routing/hedge.ts'
export type {
  CallQuery,
  Ledger,
  LedgerAttempt,
  LedgerCall,
  LedgerGroup,
  LedgerIdentity,
  LedgerQuery,
  LedgerRating,
  LedgerReader,
  LedgerTotal,
  RatedCall,
} from './ledger/types.ts'
export { createMemoryLedger } from './ledger/memory-ledger.ts'
export { createSqliteLedger } from './ledger/sqlite-ledger.ts'
export { exportCsv, exportJsonl } from './ledger/export.ts'
export type { OpenedLedger } from './ledger/open-reader.ts'
export { openLedger } from './ledger/open-reader.ts'
export type { BudgetScope, BudgetSettings } from './money/budget.ts'
export type { Price, PriceSettings, UnitPrices } from './money/price.ts'
export type { UnknownPricePolicy } from './money/price-book.ts'
export { usdOf } from './money/usd.ts'
export { csvLine } from './csv.ts'
export type { Baseline, Report, ReportQuery, ReportRow } from './reports/types.ts'
export type { Mix, ProjectedModel, Projection, Traffic } from './reports/projection.ts'
export { project } from './reports/projection.ts'
export { pricesOf } from './money/priced-models.ts'
export type { KnownPrices } from './reports/baseline.ts'
export type { Recommendation } from './reports/recommend.ts'
export { reportPeriod } from './reports/report.ts'
export { replay } from './reports/replay.ts'
export type { Change, Replayed } from './reports/replay.ts'
export type { AnthropicOptions } from './providers/anthropic.ts'
export { anthropic } from './providers/anthropic.ts'
export type { OpenAiCompatibleOptions } from './providers/openai-compatible.ts'
export { openaiCompatible } from './providers/openai-compatible.ts'
export type { OpenAiOptions } from './providers/openai.ts'
export { openai } from './providers/openai.ts'
export type { Quirks, VendorName } from './providers/quirks.ts'
export type { ConnectedModel, ModelContext, Provider } from './providers/provider.ts'
export type {
  AttemptRecord,
  CacheRecord,
  CallRecord,
  CandidateRecord,
  CascadeRecord,
  Failover,
  HookTime,
} from './record.ts'
export { plainReply, readBody, streamOf, streamReply } from './reply.ts'
export type { Decision, RecordedCall, RequestFacts } from './routing/decision.ts'
export { recordedCall } from './routing/decision.ts'
export { offline } from './replay/offline.ts'
export type { Redecided } from './replay/redecide.ts'
export type { Rerouted } from './replay/reroute.ts'
export type { Simulation, SimulatedCaller, SimulatedMove, SimulatedUnknown } from './replay/simulate.ts'
export { simulate } from './replay/simulate.ts'
export type { CountedBudget, CountedLimit, ModelStatus, RouterStatus } from './status.ts'
export type { StoreChange } from './store/steady.ts'
export type {
  Entry as StoreEntry,
  Expired,
  MaybePromise,
  Reading as StoreReading,
  Refused,
  Reservation,
  Reserved,
  Settlement,
  Store,
  WhenDown,
} from './store/store.ts'
export type { BudgetQuery, BudgetStatus } from './treasury.ts'
export type { Verified } from './verify.ts'
export type {
  Attempt,
  ByteStream,
  Call,
  CallState,
  CallerBudget,
  Candidate,
  CandidateView,
  ChangedParameters,
  DialectName,
  Ended,
  Handler,
  HeldMoney,
  Identity,
  Logger,
  Media,
  Message,
  Middleware,
  Modality,
  Parameters,
  Reply,
  Request,
  Sink,
  Surface,
  Tool,
  Usage,
  UsageFault,
} from './types.ts'
export type { Outcome, Ranked, RankContext, RankFunction, Strategy } from './strategies/strategy.ts'
export type { Complexity, ExpectedLength, HeuristicLabels, Task } from './classify/heuristic.ts'
export { complexityInConversation, heuristicLabels } from './classify/heuristic.ts'
export { likelyCostNanoUsd } from './strategies/cheapest.ts'
export { heuristicClassifier } from './classify/index.ts'
export type { AgreementVerifierOptions } from './cascade/agreement.ts'
export type { SchemaVerifierOptions } from './cascade/format.ts'
export type { JudgeVerifierOptions } from './cascade/judge.ts'
export type { RegexVerifierOptions } from './cascade/text.ts'
export type { VerifiedAnswer } from './cascade/verifier.ts'
export type { BanditOptions } from './strategies/bandit.ts'
export { byBandit } from './strategies/bandit.ts'
export type { TierChoice, TierOptions } from './strategies/tier.ts'
export { byTier } from './strategies/tier.ts'
export type { CascadeOptions, VerifierSettings, VerifyFunction } from './strategies/cascade.ts'
export { byCascade } from './strategies/cascade.ts'
export type { ComplexityOptions } from './strategies/complexity.ts'
export { byComplexity } from './strategies/complexity.ts'
export type { NestedStrategy } from './strategies/index.ts'
export { modelsOfRoute } from './strategies/named-models.ts'
export type { Day, Rule, RuleConditions, RulesOptions, RuleTime } from './strategies/rules.ts'
export { byRules } from './strategies/rules.ts'
export type { StickyOptions } from './strategies/sticky.ts'
export { bySticky } from './strategies/sticky.ts'
