import type { Line } from './data.ts'

/** The domain, among those of the profile that ships, of a line of the routing data; undefined where it has none. */
export function shippedDomain({ source, category }: Line): string | undefined {
  const [kind = '', name = ''] = category.split('/')
  if (source === 'routellm-mmlu') return subjects.get(name) ?? 'other'
  if (source === 'mmlu-pro') return name
  if (source === 'routerarena') return arena(kind, name)
  return bySource.get(category) ?? (kind === 'chat' ? chat(name) : kind === 'code' ? 'code' : undefined)
}

const bySource = new Map([
  ['math/grade-school', 'math-word-problem'],
  ['math/competition', 'math-competition'],
  ['code/output-prediction', 'code-execution'],
])

const chat = (name: string) => (name === 'coding' ? 'code' : name === 'math' ? 'math' : 'chat')

function arena(kind: string, name: string): string | undefined {
  const subject = /^MMLUPro_(.*)$/.exec(name)?.[1]
  if (subject) return subject.replace(' ', '-')
  if (kind === 'code') return 'code'
  if (kind === 'translation' || name.startsWith('WMT')) return 'translation'
  if (name === 'GSM8K' || name === 'AsDiv') return 'math-word-problem'
  if (kind === 'math') return 'math'
  return undefined
}

/** The 57 subjects of MMLU in the 14 of MMLU-Pro, as its authors put them together. */
const subjects = new Map(
  Object.entries({
    biology: 'college_biology high_school_biology',
    business: 'business_ethics management marketing professional_accounting',
    chemistry: 'college_chemistry high_school_chemistry',
    'computer-science': 'college_computer_science computer_security high_school_computer_science machine_learning',
    economics: 'econometrics high_school_macroeconomics high_school_microeconomics',
    engineering: 'electrical_engineering',
    health:
      'anatomy clinical_knowledge college_medicine human_aging medical_genetics nutrition professional_medicine virology',
    history: 'high_school_european_history high_school_us_history high_school_world_history prehistory',
    law: 'international_law jurisprudence professional_law',
    math: 'abstract_algebra college_mathematics elementary_mathematics high_school_mathematics high_school_statistics',
    philosophy: 'formal_logic logical_fallacies moral_disputes moral_scenarios philosophy world_religions',
    physics: 'astronomy college_physics conceptual_physics high_school_physics',
    psychology: 'high_school_psychology human_sexuality professional_psychology',
  }).flatMap(([subject, names]) => names.split(' ').map((name) => [name, subject] as const)),
)
