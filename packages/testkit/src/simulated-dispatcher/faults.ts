/** Headers by lower-case name. */
export type SimulatedHeaders = Readonly<Record<string, string>>

/**
 * What a failing upstream does with a request: answers with an error status, refuses the connection, or takes the
 * request and never answers.
 */
export type DispatcherFault =
  | {
      readonly status: number
      readonly headers?: SimulatedHeaders
      /** @default an error in OpenAI's words */
      readonly body?: object
    }
  | 'refuse'
  | 'hang'

/** A time in which an upstream fails, by its clock's `now()`. */
export interface Outage {
  readonly fromMs: number
  readonly untilMs: number
  /** @default { status: 503 } */
  readonly fault?: DispatcherFault
}
