import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** `self-signed` is right but for its issuer: pass it as `ca` to trust it. `wrong-host` is for another host. */
export type CertificateKind = 'self-signed' | 'expired' | 'wrong-host'

export interface Certificate {
  key: string
  cert: string
}

const dayMs = 86_400_000

/** Makes a certificate for 127.0.0.1 and localhost, with nothing but node:crypto. */
export function makeCertificate(kind: CertificateKind): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const now = Date.now()
  const [from, to] = kind === 'expired' ? [now - 400 * dayMs, now - dayMs] : [now - dayMs, now + 365 * dayMs]
  const name = sequence(set(sequence(oid('550403'), der(0x0c, Buffer.from('signalbox testkit')))))
  const signatureKind = sequence(oid('2a8648ce3d040302'))
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    signatureKind,
    name,
    sequence(utcTime(from), utcTime(to)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(subjectNames(kind), basicConstraints())),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = sequence(body, signatureKind, der(0x03, Buffer.of(0), signature))
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: pem(certificate) }
}

function subjectNames(kind: CertificateKind): Buffer {
  const names =
    kind === 'wrong-host'
      ? sequence(der(0x82, Buffer.from('wrong.example')))
      : sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)))
  return sequence(oid('551d11'), der(0x04, names))
}

function basicConstraints(): Buffer {
  return sequence(oid('551d13'), der(0x04, sequence(der(0x01, Buffer.of(0xff)))))
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.of(tag), derLength(content.length), content])
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
}

function sequence(...contents: Buffer[]): Buffer {
  return der(0x30, ...contents)
}

function set(...contents: Buffer[]): Buffer {
  return der(0x31, ...contents)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes)
}

function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replace(/\D/g, '')
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`))
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
