import { hash } from 'node:crypto'
import { isRecord } from '../is-record.ts'
import type { Reply, Usage } from '../types.ts'

/** An answer as a cache keeps it. */
export interface CachedAnswer extends Pick<Reply, 'dialect' | 'model' | 'headers'> {
  /** Whether the body is a stream's. */
  readonly streamed: boolean
  /** Whether a stream's body tells the usage. */
  readonly tellsUsage: boolean
  readonly body: Uint8Array
  readonly usage: Usage
  /** Milliseconds since the Unix epoch. */
  readonly storedAt: number
  /** What it cost, in nano-USD; 0 where that is not known. */
  readonly costNanoUsd: number
  /** How long it took to its last byte, in milliseconds. */
  readonly tookMs: number
}

/** The most that is gathered of a stream. A plain answer comes whole, and the built-in layers have bounds of their own. */
export const largestAnswerBytes = 8 * 1024 * 1024

const amounts = ['storedAt', 'costNanoUsd', 'tookMs'] as const satisfies (keyof CachedAnswer)[]

/** Whether something is an answer: what another process wrote, or another version of the program, may be anything. */
export function isCachedAnswer(value: unknown): value is CachedAnswer {
  if (!isRecord(value)) return false
  const { body, headers, usage, dialect, model } = value
  return (
    body instanceof Uint8Array &&
    isRecord(headers) &&
    isRecord(usage) &&
    typeof dialect === 'string' &&
    typeof model === 'string' &&
    amounts.every((name) => Number.isFinite(value[name]))
  )
}

const checksumBytes = 16
const lengthBytes = 4

/**
 * An answer as bytes, for a layer that keeps it outside of this process: a checksum, the length of the head, the head as
 * JSON, the body.
 */
export function encodeAnswer({ body, ...head }: CachedAnswer): Uint8Array {
  const written = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32BE(written.length)
  const content = Buffer.concat([length, written, body])
  return Buffer.concat([checksum(content), content])
}

/** The answer in the bytes of {@link encodeAnswer}; undefined where they are not what was written. */
export function decodeAnswer(bytes: Uint8Array): CachedAnswer | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const content = all.subarray(checksumBytes)
  if (!checksum(content).equals(all.subarray(0, checksumBytes))) return undefined
  const end = lengthBytes + content.readUInt32BE(0)
  const head = JSON.parse(content.subarray(lengthBytes, end).toString()) as Omit<CachedAnswer, 'body'>
  return { ...head, body: content.subarray(end) }
}

const checksum = (content: Uint8Array) => hash('sha256', content, 'buffer').subarray(0, checksumBytes)
