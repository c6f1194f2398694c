export type { Prompt, PromptParts } from './features/features.ts'
export type { LearnedStrategyOptions } from './by-learned.ts'
export { byLearned } from './by-learned.ts'
export type { LearnedOptions, LearnedStrategyData } from './learned.ts'
export { learned, learned as default } from './learned.ts'
export type { LearnedClassifierOptions } from './plugin.ts'
export { learnedClassifier } from './plugin.ts'
export type { Complexity, ProfileFile } from './profile-file.ts'
export { parseProfile } from './profile.ts'
export type { ExpectedLength, Task } from './task.ts'
export { expectedLengthOf, taskOf } from './task.ts'
export { shippedProfile } from './shipped.ts'
export type { TrainOptions, TrainedProfile } from './training/train.ts'
export { trainProfile } from './training/train.ts'
export type { Measured, TrainingReport } from './training/report.ts'
export { reportText } from './training/report.ts'
export type { Row } from './training/rows.ts'
export type {
  Calibrated,
  CalibrationTarget,
  Candidate,
  CandidateOptions,
  Profile,
  PromptLabels,
  RankOptions,
  RankedCandidate,
} from './types.ts'
