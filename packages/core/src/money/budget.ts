import type { Clock } from '../clock.ts'
import { type Amount, narrow } from '../store/amount.ts'
import { after } from '../store/after.ts'
import type { Entry, MaybePromise, Reading, Refused, Settlement, Store, WhenDown } from '../store/store.ts'
import { nanoUsdOf } from './usd.ts'
import { type BudgetWindow, calendarWindow } from './window.ts'

/** Whose spending a budget bounds. */
export type BudgetScope = 'all' | 'key' | 'user' | 'team' | 'tag' | 'route' | 'model'

/** A budget, as a configuration writes it. */
export interface BudgetSettings {
  readonly per: BudgetScope
  /** US dollars in each window. */
  readonly limitUsd: number
  readonly window: BudgetWindow
  /** The calendar's time zone, by its IANA name. @default 'UTC' */
  readonly timeZone?: string | undefined
  /** Counts and alerts, and never refuses. @default false */
  readonly soft?: boolean | undefined
  /** Shares of the limit at which to tell, once each. */
  readonly alertAt?: number | readonly number[] | undefined
  /**
   * What is done while a shared store cannot be reached, or the ledger cannot be written: nothing is sent that could be lost
   * there, where it is `closed`. @default 'closed', and 'open' where it is soft
   */
  readonly whenStoreDown?: WhenDown | undefined
  /** From a share of the limit on, calls for one route go by another. */
  readonly degrade?: { readonly at: number; readonly routes: Readonly<Record<string, string>> } | undefined
}

/** What is spent, and on whose account. Several tags count in several buckets. */
export type Spender = Readonly<Partial<Record<Exclude<BudgetScope, 'all' | 'tag'>, string>>> & {
  readonly tags?: readonly string[] | undefined
  /** Budgets of its own. */
  readonly own?: readonly Omit<BudgetSettings, 'per' | 'degrade'>[] | undefined
}

/** A budget, and the one it was for. */
export interface BudgetAccount {
  readonly settings: BudgetSettings
  /** The name in its scope; `anonymous` for all who do not say. */
  readonly bucket: string
  /** The name of the period, for a calendar's. */
  readonly period: string
}

/** What stands in a budget. */
export interface BudgetReading extends BudgetAccount {
  readonly limitNanoUsd: bigint
  readonly settledNanoUsd: bigint
  readonly heldNanoUsd: bigint
}

/** No room, and nothing is held. */
export interface BudgetRefusal extends Account {
  readonly remainingNanoUsd: bigint
  readonly limitNanoUsd: bigint
}

/** Money held for one attempt. */
export interface BudgetHold {
  /** Posts what it really cost, on every account at once. */
  settle(nanoUsd: number): MaybePromise<Settlement>
  /** It cost nothing. */
  release(): MaybePromise<Settlement>
}

/** Budgets over a store. Every hold is one atomic reservation over all that apply. */
export interface Budgets {
  readonly any: boolean
  /** Whether any of them sends calls elsewhere near its end. */
  readonly degrades: boolean
  /** The accounts that a spender's money is counted in now. */
  accountsOf(spender: Spender): readonly Account[]
  /** Holds an upper bound on every account, or on none. */
  hold(
    id: string,
    accounts: readonly Account[],
    nanoUsd: number,
    leaseMs: number,
  ): MaybePromise<BudgetHold | BudgetRefusal>
  read(accounts: readonly Account[]): MaybePromise<readonly BudgetReading[]>
  /** How much of each is settled, as a share of its limit: over 1 where more was billed than held, or the budget is soft. */
  usedShares(accounts: readonly Account[]): MaybePromise<readonly number[]>
}

/** An account as the store counts it. */
export interface Account extends BudgetAccount {
  readonly entry: Omit<Entry, 'amount'>
}

interface Rule {
  readonly settings: BudgetSettings
  readonly limit: Amount
  readonly prefix: string
  readonly windowMs: number | undefined
  readonly forgetAfterMs: number | undefined
  period(timeMs: number): string
  /** The accounts of the period that was asked for last, by bucket: every call asks for the same few. */
  readonly accounts: Map<string, Account>
  accountsPeriod: string
}

/** Accounts that a rule keeps ready made. What is counted in them lies in the store. */
const rememberedAccounts = 10_000

/** Makes the budgets of a configuration. */
export function createBudgets(settings: readonly BudgetSettings[], store: Store, clock: Clock): Budgets {
  // One that is given twice counts twice.
  const each = settings.map((one) => ({ ...one }))
  const rules = each.map((one) => ruleOf(one, each))

  function accountsOf(spender: Spender): readonly Account[] {
    const timeMs = clock.wallTime()
    const accounts: Account[] = []
    const add = (rule: Rule) => {
      const period = rule.period(timeMs)
      for (const bucket of bucketsOf(rule.settings.per, spender)) accounts.push(accountOf(rule, bucket, period))
    }
    rules.forEach(add)
    ownRules(spender).forEach(add)
    return accounts
  }

  const known = { key: new WeakMap<object, readonly Rule[]>(), user: new WeakMap<object, readonly Rule[]>() }

  /** Counted by the key, or else by the user. */
  function ownRules({ own, key }: Spender): readonly Rule[] {
    if (!own) return noRules
    const per = key === undefined ? 'user' : 'key'
    const made = known[per].get(own)
    if (made) return made
    const all = own.map((one) => ({ ...one, per }) as const)
    const rulesOfOwn = all.map((one) => ruleOf(one, all, 'own:'))
    known[per].set(own, rulesOfOwn)
    return rulesOfOwn
  }

  return {
    any: rules.length > 0,
    degrades: settings.some(({ degrade }) => degrade !== undefined),
    accountsOf,
    hold: (id, accounts, nanoUsd, leaseMs) =>
      after(
        store.reserve({ id, leaseMs, entries: accounts.map(({ entry }) => ({ ...entry, amount: nanoUsd })) }),
        (answer) => (answer.granted ? holdOf(id, accounts, store) : refusalOf(accounts[answer.index]!, answer)),
      ),
    read: (accounts) =>
      after(store.read(accounts.map(({ entry }) => entry.key)), (readings) =>
        readings.map((reading, index) => readingOf(accounts[index]!, reading)),
      ),
    usedShares: (accounts) =>
      after(store.read(accounts.map(({ entry }) => entry.key)), (readings) =>
        readings.map(({ posted }, index) => shareOf(posted, accounts[index]!.entry.limit)),
      ),
  }
}

const noRules: readonly Rule[] = []

/** A limit of nothing is used up. */
export const shareOf = (settled: Amount, limit: Amount) => (Number(limit) === 0 ? 1 : Number(settled) / Number(limit))

function holdOf(id: string, accounts: readonly Account[], store: Store): BudgetHold {
  return {
    settle: (nanoUsd) =>
      store.settle(
        id,
        accounts.map(() => nanoUsd),
      ),
    release: () => store.release(id),
  }
}

/**
 * The key goes by what a budget counts, not by its place among all, so that a new one in a file takes no other's count. Of
 * several that count the same the tightest goes on with the count that there is: no change of the others gives it anew.
 */
function ruleOf(settings: BudgetSettings, all: readonly BudgetSettings[], owner = ''): Rule {
  const { limitUsd, window, timeZone } = settings
  if (!(limitUsd >= 0)) throw new RangeError(`Expected limitUsd to be 0 or more, got ${limitUsd}`)
  const limit = narrow(nanoUsdOf(limitUsd))
  const kind = kindOf(settings)
  const alike = all.filter((one) => kindOf(one) === kind).toSorted(tightestFirst)
  const prefix = `budget:${owner}${kind}:${alike.indexOf(settings)}`
  const common = { settings, limit, prefix, accounts: new Map<string, Account>(), accountsPeriod: '' }
  if (typeof window === 'object') {
    if (!(window.rollingMs > 0)) throw new RangeError(`Expected rollingMs to be above 0, got ${window.rollingMs}`)
    return { ...common, windowMs: window.rollingMs, forgetAfterMs: undefined, period: () => '' }
  }
  const calendar = calendarWindow(window, timeZone)
  return {
    ...common,
    windowMs: undefined,
    forgetAfterMs: calendar.longestMs,
    period: (timeMs) => calendar.nameOf(timeMs),
  }
}

const kindOf = ({ per, window, timeZone = 'UTC' }: BudgetSettings) =>
  [per, typeof window === 'object' ? `rolling ${window.rollingMs}` : `${window} ${timeZone}`].join(':')

/** A soft one binds nobody. */
const tightestFirst = (one: BudgetSettings, other: BudgetSettings) =>
  Number(one.soft ?? false) - Number(other.soft ?? false) || one.limitUsd - other.limitUsd

function accountOf(rule: Rule, bucket: string, period: string): Account {
  if (rule.accountsPeriod !== period || rule.accounts.size >= rememberedAccounts) rule.accounts.clear()
  rule.accountsPeriod = period
  let account = rule.accounts.get(bucket)
  if (!account) rule.accounts.set(bucket, (account = newAccount(rule, bucket, period)))
  return account
}

function newAccount(
  { settings, limit, prefix, windowMs, forgetAfterMs }: Rule,
  bucket: string,
  period: string,
): Account {
  const key = `${prefix}:${period}:${bucket}`
  return {
    settings,
    bucket: bucket.replace(/^=/, ''),
    period,
    entry: { key, limit, windowMs, forgetAfterMs, soft: settings.soft ?? false, whenDown: whenDownOf(settings) },
  }
}

/** The buckets that a spender counts in. Whoever does not say what a budget goes by shares one bucket: never unlimited. */
function bucketsOf(per: BudgetScope, spender: Spender): readonly string[] {
  if (per === 'all') return ['']
  if (per !== 'tag') return [named(spender[per])]
  return spender.tags && spender.tags.length > 0 ? [...new Set(spender.tags)].map(named) : [named(undefined)]
}

const named = (name: string | undefined) => (name === undefined ? 'anonymous' : `=${name}`)

/** What a budget does while the store cannot be reached. */
export const whenDownOf = ({ whenStoreDown, soft }: BudgetSettings): WhenDown =>
  whenStoreDown ?? (soft ? 'open' : 'closed')

function refusalOf(account: Account, { remaining, limit }: Refused): BudgetRefusal {
  return { ...account, remainingNanoUsd: BigInt(remaining), limitNanoUsd: BigInt(limit) }
}

function readingOf({ settings, bucket, period, entry }: Account, { posted, held }: Reading): BudgetReading {
  return {
    settings,
    bucket,
    period,
    limitNanoUsd: BigInt(entry.limit),
    settledNanoUsd: BigInt(posted),
    heldNanoUsd: BigInt(held),
  }
}
