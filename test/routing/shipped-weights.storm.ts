import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { shippedProfile } from '@signalbox/classifier'
import { expect, it } from 'vitest'
import { openRoutingData } from './data.ts'
import { trainShipped } from './ship.ts'

const data = process.env['ROUTING_DATA'] ?? fileURLToPath(new URL('../../../shared/routing-data', import.meta.url))

it.skipIf(!existsSync(data))('the weights that ship come out again from the data', { timeout: 300_000 }, async () => {
  const made = { ...trainShipped(await openRoutingData(data)).toJSON(), enabled: true }
  expect(made).toEqual(shippedProfile().toJSON())
})
