// The public surface of "qkv/check".
export type { Candidate } from "./candidate/candidate.js"; // what can be checked, wherever it runs
export { openCandidate } from "./candidate/open.js"; // a file, folder or endpoint → a candidate
export { openProgram } from "./candidate/program.js"; // a program in another language → a candidate
export { check, checkCandidate, checkModel, checkModule } from "./check.js"; // an attention function → the names of its mistakes
export { explain } from "./explain.js"; // a rule told to a person
export { assertAttention, attentionMatchers } from "./matcher.js"; // the check inside vitest, jest and node:test
export { toJunit } from "./report/junit.js"; // a report for continuous integration
export { toSarif } from "./report/sarif.js"; // a report for code hosts
export { toText } from "./report/text.js"; // a report for people
export type { Rule } from "./rule.js"; // one mistake: how to see it, how to mend it
export { ruleOf, rules } from "./rules/index.js"; // the catalogue
export type * from "./types.js"; // what candidates, reports and findings are made of
