import { isIPv4, isIPv6 } from 'node:net'

/** A kind of personal data that is found by its form. */
export type Kind = 'email' | 'iban' | 'card' | 'ip' | 'phone'

/** Finds one kind of thing in a text. */
export interface Detector {
  /** What stands in its place: `EMAIL` gives `[EMAIL_1]`. Letters, digits and underscores. */
  readonly label: string
  /** Matches all of it, and takes time in proportion to the text: no part may be repeated without a bound. */
  readonly pattern: RegExp
  /** Whether a match is one. @default always */
  readonly isOne?: ((match: string) => boolean) | undefined
  /** Whether a match that is none may hold one: then its first groups are tried, and what begins further in. @default false */
  readonly mayHold?: boolean | undefined
}

/** What people put between groups of digits, those included that no line breaks at. */
const gap = '[ \\u00a0\\u202f\\-\\u2010-\\u2013]'
const phoneGap = '[ \\u00a0\\u202f.\\/\\-\\u2010-\\u2013]'
/** What is written like a phone number, and is a date, a span of years or a decimal number. */
const otherNumber =
  '(?:\\d{4}[-./](?:0?[1-9]|1[0-2])[-./]\\d{1,2}|\\d{1,2}[-./]\\d{1,2}[-./]\\d{4}|(?:19|20)\\d{2}[-\\u2013](?:19|20)\\d{2}|[1-9]\\d{0,15}\\.\\d{4,20}(?![-./]\\d))(?!\\d)'
const ipv4 = '(?:\\d{1,3}\\.){3}\\d{1,3}(?!\\.?\\d)'
const word = '\\p{L}\\p{N}_'

/** Every kind. */
export const detectors: Readonly<Record<Kind, Detector>> = {
  email: {
    label: 'EMAIL',
    pattern: new RegExp(
      `(?<![${word}.+%&-])[${word}.+%&-][${word}.+%&'-]{0,63}@(?:[${word}-]{1,63}\\.){1,8}(?:xn--[a-z\\d-]{1,59}|\\p{L}{2,24})`,
      'giu',
    ),
  },
  iban: {
    label: 'IBAN',
    pattern: new RegExp(
      `(?<![${word}])[A-Z]{2}\\d{2}(?:${gap}?[A-Z\\d]{4}){2,7}(?:${gap}?[A-Z\\d]{1,3})?(?![${word}])`,
      'giu',
    ),
    isOne: isIban,
    mayHold: true,
  },
  card: {
    label: 'CARD',
    pattern: new RegExp(`(?<!\\d)\\d(?:${gap}?\\d){12,18}(?!\\d)`, 'g'),
    isOne: isCard,
    mayHold: true,
  },
  ip: {
    label: 'IP',
    pattern: new RegExp(
      `(?<![\\w.])(?:${ipv4}|(?<!::|\\b[\\da-f]{1,4}:)(?:[\\da-f]{1,4}:|:){2,7}(?:${ipv4}|[\\da-f]{0,4}(?![\\w:]|\\.\\d)))`,
      'gi',
    ),
    isOne: isAddress,
  },
  phone: {
    label: 'PHONE',
    pattern: new RegExp(
      `(?<![\\w+./]|\\d[-\\u2013])(?!${otherNumber})(?:\\+\\d(?:[()]?${phoneGap}?[()]?\\d){6,14}|(?:1${phoneGap})?(?:\\(\\d{1,4}\\)${phoneGap}?)?\\d{2,5}(?:${phoneGap}?\\d{2,5}){1,4})(?!\\w)`,
      'g',
    ),
    isOne: isPhone,
  },
}

/** The check digit of a card number, by Luhn. */
function isCard(match: string): boolean {
  let sum = 0
  let isDoubled = false
  for (let at = match.length - 1; at >= 0; at--) {
    const digit = match.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) continue
    const value = isDoubled ? digit * 2 : digit
    sum += value > 9 ? value - 9 : value
    isDoubled = !isDoubled
  }
  return sum % 10 === 0
}

/** The check digits of an account number, by ISO 7064. */
function isIban(match: string): boolean {
  const bare = match.replaceAll(/[^a-z\d]/gi, '').toUpperCase()
  const turned = (bare.slice(4) + bare.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55))
  return Array.from(turned).reduce((rest, digit) => (rest * 10 + Number(digit)) % 97, 0) === 1
}

/** An address; of those with colons one that says who, and is not written like code. */
function isAddress(match: string): boolean {
  return isIPv4(match) || (isIPv6(match) && /\d/.test(match) && match.split(':').filter(Boolean).length > 1)
}

/** Enough digits, written as people write them. */
function isPhone(match: string): boolean {
  const { length } = digitsOf(match)
  if (length < 8 || length > 15) return false
  return match.startsWith('+') || /[^\d]/.test(match) || match.startsWith('0')
}

function digitsOf(text: string): string {
  return text.replaceAll(/\D/g, '')
}
