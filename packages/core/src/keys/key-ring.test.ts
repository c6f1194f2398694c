import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createKey } from './key-file.ts'
import { createKeyRing } from './key-ring.ts'

const onUnreadable = () => expect.unreachable()

function newFile(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keys-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return path.join(folder, 'keys.json')
}

it('takes a key of a file until it expires, and none whose time cannot be read', () => {
  const file = newFile()
  const clock = createFakeClock({ wallTime: Date.UTC(2026, 0, 1) })
  const [endless, later, over, odd] = [undefined, '2026-01-01T00:00:01Z', '2026-01-01T00:00:00Z', '2026-13-45'].map(
    (expiresAt, place) => createKey(file, { name: `k${place}`, ...(expiresAt && { expiresAt }) }).key,
  )
  const ring = createKeyRing([{ file }], { clock, onUnreadable })
  expect(ring.identify(endless)).toEqual({ key: 'k0' })
  expect(ring.identify(later)).toEqual({ key: 'k1' })
  expect(() => ring.identify(over)).toThrow('has expired')
  expect(() => ring.identify(odd)).toThrow('has expired')
})

it('goes on with the keys it has, and tells once, when their file can be read no more', () => {
  const file = newFile()
  const clock = createFakeClock()
  const { key } = createKey(file, { name: 'shop' })
  const told = vi.fn<(file: string) => void>()
  const ring = createKeyRing([{ file }], { clock, onUnreadable: told })
  const changes = [
    () => fs.writeFileSync(file, '{ "keys": [{ "name": '),
    () => fs.rmSync(file),
    // It can't even be looked at.
    () => fs.symlinkSync(file, file),
  ]
  for (const change of changes) {
    change()
    for (let look = 0; look < 3; look++) {
      clock.advanceSync(1_000)
      expect(ring.identify(key)).toEqual({ key: 'shop' })
    }
  }
  expect(told.mock.calls).toEqual([[file], [file]])

  fs.rmSync(file)
  const { key: other } = createKey(file, { name: 'other' })
  clock.advanceSync(1_000)
  expect(ring.identify(other)).toEqual({ key: 'other' })
  expect(() => ring.identify(key)).toThrow('is not valid')

  fs.rmSync(file)
  clock.advanceSync(1_000)
  expect(ring.identify(other)).toEqual({ key: 'other' })
  expect(told).toHaveBeenCalledTimes(3)
})
