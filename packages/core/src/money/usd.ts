/** Nano-USD in a US dollar. */
const nanoUsdPerUsd = 1_000_000_000n

/** Pico-USD per token for one USD per million tokens. */
const picoPerUsdPerMillion = 1_000_000

/** A price in USD per million tokens, as an exact whole number of pico-USD per token. */
export function picoUsdPerToken(usdPerMillion: number): number {
  return Math.round(usdPerMillion * picoPerUsdPerMillion)
}

/** US dollars as nano-USD, rounded down: a limit is never more than was said. */
export function nanoUsdOf(usd: number): bigint {
  const [whole = '0', fraction = ''] = plainDecimal(usd).split('.')
  return BigInt(whole) * nanoUsdPerUsd + BigInt(fraction.padEnd(9, '0').slice(0, 9) || '0')
}

/** Nano-USD as an exact decimal of US dollars: `1234500000n` is `1.2345`. */
export function usdOf(nanoUsd: bigint | number): string {
  const amount = BigInt(nanoUsd)
  const absolute = amount < 0n ? -amount : amount
  const fraction = String(absolute % nanoUsdPerUsd)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${amount < 0n ? '-' : ''}${absolute / nanoUsdPerUsd}${fraction && `.${fraction}`}`
}

/** A number written without an exponent: as it was said, not as its bits have it. */
function plainDecimal(value: number): string {
  if (value >= 1e21) return String(BigInt(value))
  return value < 1e-6 ? value.toFixed(20) : String(value)
}
