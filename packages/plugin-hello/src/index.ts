import { type Plugin, definePlugin } from '@signalbox/core'

declare module '@signalbox/core' {
  interface CallState {
    hello: string
  }
}

/**
 * Greets every call: what stands further in reads the greeting from `call.state.hello`.
 *
 * @example
 * createRouter({ models, plugins: [hello({ name: 'Ada' })] })
 */
export default function hello({ name = 'world' }: { readonly name?: string } = {}): Plugin {
  return definePlugin({
    name: 'hello',
    call: (call, next) => next({ ...call, state: { ...call.state, hello: `Hello, ${name}!` } }),
  })
}
