// What a library of an application's own makes of the packages: its declarations name all that the routers give.
import {
  type Attempt,
  type Call,
  type CandidateView,
  type PluginServices,
  type Router,
  type RouterEvents,
  type RouterOptions,
  type SignalboxError,
} from '@signalbox/core'

export const ofRouter = (router: Router) => ({
  status: () => router.status(),
  models: () => router.status().models,
  limits: () => router.status().limits,
  shared: () => router.status().budgets,
  verified: () => router.verify(),
  budgets: () => router.budgets(),
  caller: () => router.as({}),
  fetch: () => router.fetch,
  report: () => router.ledger?.report(),
})
export const ofEvents = (events: RouterEvents) => ({
  breaker: () => events['breaker.changed'],
  store: () => events['store.changed'],
  alert: () => events['budget.alert'],
  refusal: () => events['budget.refused'],
})
export const ofCandidate = ({ health, breaker, price }: CandidateView) => ({ health, breaker, price })
export const ofServices = ({ store }: PluginServices) => ({
  store,
  reserve: () => store.reserve({ id: 'mine', entries: [], leaseMs: 1 }),
  settle: () => store.settle('mine', []),
  read: () => store.read(['mine']),
  sweep: () => store.sweep(),
})
export const ofAttempt = ({ held, candidate: { settings } }: Attempt) => ({ held, settings })
export const ofCall = ({ request: { media, tools, parameters } }: Call) => ({ media, tools, parameters })
export const ofError = ({ limit, billed, failures, answer }: SignalboxError) => ({ limit, billed, failures, answer })
export const ofOptions = ({ limits, budgets, tiers, unknownPrice, models, keys, cache }: RouterOptions) => {
  const [model] = Object.values(models)
  return { limits, budgets, tiers, unknownPrice, keys, cache, ofModel: model?.limits }
}
