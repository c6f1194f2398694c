import { type Amount, checkAmount, isSameAmount } from './amount.ts'
import type { Entry } from './store.ts'

/** Gives one entry of a reservation back, or throws a `RangeError` that says what is wrong with it. */
export function checkEntry(entries: readonly Entry[], index: number): Entry {
  const entry = entries[index]!
  checkAmount(entry.amount, 'an amount')
  checkAmount(entry.limit, 'a limit')
  for (let before = 0; before < index; before++) {
    if (entries[before]!.key === entry.key) throw new RangeError(`The key ${entry.key} is in the reservation twice`)
  }
  return entry
}

/** Throws when a key is counted in another window than before. */
export function checkWindow({ key, windowMs }: { key: string; windowMs: number }, asked: number = Infinity) {
  if (windowMs === asked) return
  throw new RangeError(`The key ${key} counts in a window of ${windowMs} ms, got ${asked}`)
}

/** Throws when the amounts are none, are too many or too few, or are other ones than a hold was settled with. */
export function checkSettlement({ id, state, parts }: Settled, amounts: readonly Amount[]) {
  if (amounts.length !== parts.length) {
    throw new RangeError(`Expected ${parts.length} amounts for ${id}, got ${amounts.length}`)
  }
  for (let index = 0; index < amounts.length; index++) {
    const amount = checkAmount(amounts[index]!, 'an amount')
    const posted = parts[index]!.amount
    if (state === 'settled' && !isSameAmount(posted, amount)) {
      throw new RangeError(`${id} was settled with ${posted} and cannot be settled with ${amount}`)
    }
  }
}

interface Settled {
  id: string
  state: string
  parts: readonly { amount: Amount }[]
}
