/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compose } from './compose.ts'
import { plainReply } from './reply.ts'
import type { Handler, Middleware } from './types.ts'

const reply = plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body: new Uint8Array(0) })

describe('compose', () => {
  it('is the handler itself when nothing stands around it', () => {
    const last: Handler<number> = async () => reply
    expect(compose([], last)).toBe(last)
  })

  it('runs the first middleware outermost', async () => {
    const seen: string[] = []
    const around =
      (name: string): Middleware<number> =>
      async (call, next) => {
        seen.push(`${name} in`)
        const answer = await next(call)
        seen.push(`${name} out`)
        return answer
      }
    await compose([around('outer'), around('inner')], async () => {
      seen.push('handler')
      return reply
    })(0)
    expect(seen).toEqual(['outer in', 'inner in', 'handler', 'inner out', 'outer out'])
  })

  it('hands on the call that each middleware gives to next', async () => {
    const plus: Middleware<number> = (call, next) => next(call + 1)
    const seen: number[] = []
    const handler = compose([plus, plus, plus], async (call: number) => {
      seen.push(call)
      return reply
    })
    await handler(0)
    await handler(10)
    expect(seen).toEqual([3, 13])
  })

  it('lets a middleware call next again, and each run starts from its own call', async () => {
    const seen: number[] = []
    const thrice: Middleware<number> = async (call, next) => {
      await next(call)
      await next(call + 1)
      return next(call + 2)
    }
    const double: Middleware<number> = (call, next) => next(call * 2)
    await compose([thrice, double], async (call: number) => {
      seen.push(call)
      return reply
    })(5)
    expect(seen).toEqual([10, 12, 14])
  })

  it('lets a middleware answer without calling next', async () => {
    const own = plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'own', body: new Uint8Array(0) })
    const handler = compose<number>([async () => own], () => {
      throw new Error('was reached')
    })
    await expect(handler(0)).resolves.toBe(own)
  })

  it('hands rejections outwards unchanged', async () => {
    const failure = new Error('inside')
    let seen: unknown
    const watch: Middleware<number> = (call, next) =>
      next(call).catch((error: unknown) => {
        seen = error
        throw error
      })
    await expect(compose([watch], () => Promise.reject(failure))(0)).rejects.toBe(failure)
    expect(seen).toBe(failure)
  })

  it('composes in any grouping to the same chain', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer(), { maxLength: 8 }), fc.nat({ max: 8 }), async (numbers, cut) => {
        const trace = (list: number[]) =>
          list.map(
            (number): Middleware<number[]> =>
              (call, next) =>
                next([...call, number]),
          )
        const run = async (handler: (last: Handler<number[]>) => Handler<number[]>) => {
          let seen: number[] = []
          await handler(async (call) => {
            seen = call
            return reply
          })([])
          return seen
        }
        const whole = await run((last) => compose(trace(numbers), last))
        const nested = await run((last) =>
          compose(trace(numbers.slice(0, cut)), compose(trace(numbers.slice(cut)), last)),
        )
        expect(whole).toEqual(numbers)
        expect(nested).toEqual(numbers)
      }),
    )
  })
})
