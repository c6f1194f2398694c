/** A kind of personal data that is found by its form. */
export type Kind = 'email' | 'iban' | 'card' | 'ip' | 'phone'

/** Finds one kind of thing in a text. */
export interface Detector {
  /** What stands in its place: `[EMAIL_1]`. */
  readonly label: string
  /** Matches all of it, and takes time in proportion to the text: no part may be repeated without a bound. */
  readonly pattern: RegExp
  /** Whether a match is one. @default always */
  readonly isOne?: (match: string) => boolean
}

/** Every kind, the more certain ones first. */
export const detectors: Readonly<Record<Kind, Detector>> = {
  email: { label: 'EMAIL', pattern: /(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b/gi },
  iban: { label: 'IBAN', pattern: /\b[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){2,7}(?: ?[A-Z\d]{1,3})?\b/g, isOne: isIban },
  card: { label: 'CARD', pattern: /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g, isOne: isCard },
  ip: { label: 'IP', pattern: /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/g, isOne: isAddress },
  phone: {
    label: 'PHONE',
    pattern: /(?<![\w+.])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{2,5}(?:[ .-]?\d{2,5}){1,4}(?!\w)/g,
    isOne: isPhone,
  },
}

/** The check digit of a card number, by Luhn. */
function isCard(match: string): boolean {
  const sum = Array.from(digitsOf(match))
    .toReversed()
    .reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 1 ? 2 : 1)
      return total + (value > 9 ? value - 9 : value)
    }, 0)
  return sum % 10 === 0
}

/** The check digits of an account number, by ISO 7064. */
function isIban(match: string): boolean {
  const bare = match.replaceAll(' ', '')
  const turned = (bare.slice(4) + bare.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55))
  return Array.from(turned).reduce((rest, digit) => (rest * 10 + Number(digit)) % 97, 0) === 1
}

function isAddress(match: string): boolean {
  return match.split('.').every((part) => Number(part) <= 255)
}

/** Enough digits, written as people write them, and no date. */
function isPhone(match: string): boolean {
  const { length } = digitsOf(match)
  if (length < 8 || length > 15 || /^\d{4}-\d{2}-\d{2}$/.test(match)) return false
  return match.startsWith('+') || /[ ().-]/.test(match) || match.startsWith('0')
}

function digitsOf(text: string): string {
  return text.replaceAll(/\D/g, '')
}
