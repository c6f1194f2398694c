/**
 * A whole number of requests, tokens or nano-USD, from 0 to 2^63 - 1. A number wherever it is a safe integer and a
 * bigint only beyond 2^53 - 1, so that counting requests never pays for the exactness of large totals of money.
 */
export type Amount = number | bigint

/** The largest amount any store can count: 2^63 - 1. */
const largestAmount = 2n ** 63n - 1n

/** The exact sum, in the form {@link Amount} describes. */
export function plus(left: Amount, right: Amount): Amount {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right
    if (sum <= Number.MAX_SAFE_INTEGER && sum >= Number.MIN_SAFE_INTEGER) return sum
  }
  return narrow(BigInt(left) + BigInt(right))
}

/** The exact difference, in the form {@link Amount} describes; it may be negative. */
export function minus(left: Amount, right: Amount): Amount {
  if (typeof left === 'number' && typeof right === 'number') return plus(left, -right)
  return narrow(BigInt(left) - BigInt(right))
}

/** Whether two amounts are the same number, whatever form each has. */
export const isSameAmount = (left: Amount, right: Amount): boolean => left === right || narrow(left) === narrow(right)

/** Gives an amount back, or throws a `RangeError` that says which one is not an amount and what it is. */
export function checkAmount(amount: Amount, what: string): Amount {
  if (typeof amount === 'number' ? Number.isSafeInteger(amount) && amount >= 0 : isCountable(amount)) return amount
  const came = typeof amount === 'bigint' ? `${amount}n` : String(amount)
  throw new RangeError(
    `Expected ${what} to be a whole number from 0 to 2^63 - 1 (a bigint beyond 2^53 - 1), got ${came}`,
  )
}

/** The same amount in the form {@link Amount} describes. */
export function narrow(amount: Amount): Amount {
  const isSafe = amount <= Number.MAX_SAFE_INTEGER && amount >= Number.MIN_SAFE_INTEGER
  return typeof amount === 'bigint' && isSafe ? Number(amount) : amount
}

const isCountable = (amount: unknown) => typeof amount === 'bigint' && amount >= 0n && amount <= largestAmount
