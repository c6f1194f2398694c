import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { createKey } from './key-file.ts'
import { createKeyRing } from './key-ring.ts'

it('takes a key of a file until it expires, and none whose time cannot be read', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keys-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'keys.json')
  const clock = createFakeClock({ wallTime: Date.UTC(2026, 0, 1) })
  const [endless, later, over, odd] = [undefined, '2026-01-01T00:00:01Z', '2026-01-01T00:00:00Z', '2026-13-45'].map(
    (expiresAt, place) => createKey(file, { name: `k${place}`, ...(expiresAt && { expiresAt }) }).key,
  )
  const ring = createKeyRing([{ file }], clock)
  expect(ring.identify(endless)).toEqual({ key: 'k0' })
  expect(ring.identify(later)).toEqual({ key: 'k1' })
  expect(() => ring.identify(over)).toThrow('has expired')
  expect(() => ring.identify(odd)).toThrow('has expired')
})
