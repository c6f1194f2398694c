/** A part of a secret that is this long gives it away. */
const tellingLength = 12
const mask = '[redacted]'

/**
 * Takes every given secret out of a text, whole or in parts of 12 characters and more. Shorter secrets are taken out
 * whole, and not from inside of a word: a local model's key may be `x`. Linear in the text for each secret.
 */
export function redact(text: string, secrets: readonly string[]): string {
  return secrets.reduce(redactOne, text)
}

/** The same for bytes. They come back as they are where nothing was found. */
export function redactBytes(bytes: Uint8Array, secrets: readonly string[]): Uint8Array {
  if (secrets.length === 0) return bytes
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  const clean = redact(text, secrets)
  return clean === text ? bytes : Buffer.from(clean)
}

const secretName = /auth|cookie|key|password|secret|session|token/i

/** What nobody may see of configured headers. A short value, such as a region's name, is a secret by its header's name only. */
export function secretsOf(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers)
    .filter(([name, value]) => value.length >= tellingLength || secretName.test(name))
    .flatMap(([, value]) => [value, value.replace(/^Bearer /i, '')])
}

const syntax = /[$()*+./?[\\\]^{|}]/g

const asWord = (secret: string) =>
  new RegExp(`(?<![\\p{L}\\p{N}])${secret.replaceAll(syntax, String.raw`\$&`)}(?![\\p{L}\\p{N}])`, 'gu')

/**
 * Whether a telling part of a secret may stand in a text: wherever it does, half of it begins at a multiple of its length.
 * Nearly no text gets beyond this, and to look for each part by itself takes ten times as long.
 */
function mayTell(text: string, secret: string): boolean {
  const half = tellingLength / 2
  for (let at = 0; at + half <= text.length; at += half) if (secret.includes(text.slice(at, at + half))) return true
  return false
}

function redactOne(text: string, secret: string): string {
  if (secret.length < tellingLength)
    return secret !== '' && text.includes(secret) ? text.replaceAll(asWord(secret), mask) : text
  if (!mayTell(text, secret)) return text
  const parts = new Set<string>()
  for (let at = 0; at + tellingLength <= secret.length; at++) parts.add(secret.slice(at, at + tellingLength))
  let clean = ''
  let at = 0
  let copied = 0
  while (at + tellingLength <= text.length) {
    if (!parts.has(text.slice(at, at + tellingLength))) {
      at++
      continue
    }
    let end = at + tellingLength
    while (end < text.length && parts.has(text.slice(end - tellingLength + 1, end + 1))) end++
    clean += text.slice(copied, at) + mask
    at = copied = end
  }
  return copied === 0 ? text : clean + text.slice(copied)
}
