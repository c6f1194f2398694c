// What TypeScript makes of the declarations, when only the packages are there.
import { type Call, type CallState, createRouter, loadConfig, openai } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as onExpress } from '@signalbox/express'
import { signalbox as onKoa } from '@signalbox/koa'
import hello from '@signalbox/plugin-hello'
import { startSimulatedProvider } from '@signalbox/testkit'
import express from 'express'
import Koa from 'koa'

export const router = createRouter({ models: { fast: openai('gpt-4.1-mini') }, plugins: [hello({ name: 'Ada' })] })
export const app = express().use('/v1', onExpress(router, { identify: (req) => ({ user: req.ip ?? '' }) }))
export const koaApp = new Koa().use(onKoa(router, { identify: (ctx) => ({ user: ctx.ip }) }))
export const listen = listener(router)
export const loaded = loadConfig('signalbox.json')
export const provider = startSimulatedProvider()

export const merged: Pick<CallState, 'hello'> = { hello: 'Hello' }
export const greetingOf = (call: Call): string | undefined => call.state.hello
// @ts-expect-error -- what a plugin adds may not be there yet
export const certainGreetingOf = (call: Call): string => call.state.hello
// @ts-expect-error -- no plugin adds this
export const otherOf = (call: Call) => call.state.other
// @ts-expect-error -- a name is a text
hello({ name: 1 })
