import type { MaybePromise } from './store.ts'

/** Goes on with a value at once when it is there already, and by promise when it is promised. */
export function after<T, R>(value: MaybePromise<T>, run: (value: T) => Promise<R>): Promise<R>
export function after<T, R>(value: MaybePromise<T>, run: (value: T) => MaybePromise<R>): MaybePromise<R>
export function after<T, R>(value: MaybePromise<T>, run: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(run) : run(value)
}

/** What comes of `run`, or what `recover` makes of its failure: at once, or by promise where it is promised. */
export function caught<T>(run: () => MaybePromise<T>, recover: (error: unknown) => T): MaybePromise<T> {
  try {
    const value = run()
    return isPromise(value) ? value.catch(recover) : value
  } catch (error) {
    return recover(error)
  }
}

/** Whether a value has to be waited for. */
export const isPromise = <T>(value: MaybePromise<T>): value is Promise<T> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
