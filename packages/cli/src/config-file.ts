import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** What a configuration is called where `--config` names none. */
const names = ['json', 'yaml', 'yml', 'ts', 'mts', 'js', 'mjs'].map((extension) => `signalbox.config.${extension}`)

/**
 * The configuration that a command is about: the file that `--config` names, or else the one in the folder the command is
 * run in.
 *
 * @throws Error that says what was looked for, where there is none, or are several, and for a name that is empty
 */
export function configFile(given: string | undefined, command: string): string {
  // It may be a variable that is not set: another configuration than is meant would serve.
  if (given === '') throw new Error('--config: expected a file, got nothing')
  if (given !== undefined) return given
  const folder = process.cwd()
  const [found, ...others] = names.filter((name) => existsSync(join(folder, name)))
  if (others.length > 0)
    throw new Error(
      `${command}: expected one configuration in ${folder}, got ${[found, ...others].join(' and ')}: name one by --config FILE`,
    )
  if (found !== undefined) return found
  throw new Error(`${command} needs --config FILE, or one of ${names.join(', ')} in ${folder}`)
}
