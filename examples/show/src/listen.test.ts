import { createServer } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { choosePort, listen } from './listen.ts'

function newServer() {
  const server = createServer()
  onTestFinished(() => void server.close())
  return server
}

it('takes the next free port when its own is taken and none was asked for', async () => {
  const taken = Number(new URL(await listen(newServer(), { port: 0, orNext: false })).port)
  const next = Number(new URL(await listen(newServer(), { port: taken, orNext: true })).port)
  expect(next).toBeGreaterThan(taken)
  await expect(listen(newServer(), { port: taken, orNext: false })).rejects.toThrow('EADDRINUSE')
})

it('reads PORT, and says what is wrong with it', () => {
  expect(choosePort(undefined)).toEqual({ port: 3000, orNext: true })
  expect(choosePort('8080')).toEqual({ port: 8080, orNext: false })
  expect(() => choosePort('http')).toThrow('PORT is to be a number from 0 to 65535, got "http"')
})
