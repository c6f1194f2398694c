/** A chat request as the hand-written rows read it. */
export interface ChatRequest {
  readonly model: string
  readonly messages: readonly { readonly role: 'system' | 'user'; readonly content: string }[]
  readonly temperature: number
  readonly max_tokens: number
  readonly stream: boolean
}
