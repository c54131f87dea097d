// The public surface of "qkv/check".
export { check } from "./check.js"; // an attention function → the names of its mistakes
export { ruleOf, rules } from "./rules/index.js"; // the catalogue
export type * from "./types.js";
