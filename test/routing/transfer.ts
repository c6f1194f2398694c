import type { RoutingData } from './data.ts'
import { gainsOf, onTrack } from './evaluate.ts'
import { trainShipped } from './ship.ts'
import { fixed, mean, table, within } from './table.ts'
import { linesOfTrack } from './tracks.ts'

/** The nine pairings of the data's `extra.mjs`: a track, and the models that its own count as. */
const pairings = [
  ['RL-MMLU', 'mistral-7b-instruct-v0.2', 'gemini-1.5-pro-002'],
  ['RL-MMLU', 'mixtral-8x7b-instruct', 'gemini-1.5-pro-002'],
  ['RL-MMLU', 'llama-3.1-8b-instruct', 'llama-3.1-70b-instruct'],
  ['RL-GSM8K', 'mixtral-8x7b-instruct', 'gpt-4o-2024-08-06'],
  ['RL-GSM8K', 'llama-3-8b-instruct', 'claude-3-5-sonnet-20240620'],
  ['PRO-GEMINI', 'mixtral-8x7b-instruct', 'gpt-4-1106-preview'],
  ['PRO-WIDE', 'mixtral-8x7b-instruct', 'gpt-4-1106-preview'],
  ['MIX-CLAUDE', 'gpt-3.5-turbo-0125', 'gpt-4o-2024-08-06'],
  ['MIX-GPT', 'claude-3-haiku', 'claude-3-5-sonnet-20240620'],
] as const

/** The weights that ship, trained anew without the two models of each track, which then count as two other ones. */
export function transferTable(data: RoutingData): string {
  const apgrs: number[] = []
  const lengths: number[] = []
  const rows = pairings.map(([name, likeWeak, likeStrong]) => {
    const track = data.tracks[name]!
    const [, test] = linesOfTrack(data, track)
    const unseen = [track.weak, track.strong].filter((model) => model !== likeWeak && model !== likeStrong)
    const profile = trainShipped(data, unseen, name.startsWith('RL-') ? routeLlm : [])
    const weak = { model: 'weak', like: likeWeak }
    const strong = { model: 'strong', like: likeStrong }
    const { apgr, interval } = onTrack(track, test, gainsOf(profile, test, weak, strong))
    apgrs.push(apgr)
    lengths.push(
      onTrack(
        track,
        test,
        test.map(({ prompt }) => prompt.length),
      ).apgr,
    )
    return [name, likeWeak, likeStrong, fixed(apgr), within(interval), fixed(lengths.at(-1)!)]
  })
  rows.push(['**mean**', '', '', fixed(mean(apgrs)), '', fixed(mean(lengths))])
  return table(['track', 'its weak model counts as', 'its strong one as', 'APGR', '95 %', 'length alone'], rows)
}

/** Where a track's weak model stands in for itself, its results on the track's own sources are left out too. */
const routeLlm = ['routellm-mmlu', 'routellm-gsm8k', 'routellm-mtbench']
