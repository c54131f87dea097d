/** @file `check`: an attention function in, the names of its mistakes out. */
import { OptionError } from "../tensor/index.js";
import { type Candidate, within } from "./candidate/candidate.js";
import { Lab } from "./probe/lab.js";
import { rules } from "./rules/index.js";
import { chosenRules, runRules } from "./run.js";
import { soften } from "./candidate/runtimes.js";
import { base } from "./probe/base.js";
import type { AttentionFunction, CheckOptions, Report } from "./types.js";

/** Every mistake that can be simulated. */
export const catalogue = {
  base: rules.flatMap((r) => r.base ?? []),
  pairs: rules.flatMap((r) => r.pairs ?? []),
  mechanisms: rules.flatMap((r) => r.mechanisms ?? []),
};

const timeLimit = 10_000;

/**
 * Checks an attention function.
 * @param attention (q, k, v, { causal, mask, scale, keyPadding }) → output, sync or async; tensors are `{ data, shape }`
 * @returns the report; `report.ok` is false when there is an error
 * @throws {OptionError} when `attention` is no function, or an option names a rule that does not exist
 * Cost: about 200 calls on small tensors; under a second for most functions.
 * @example
 * const report = await check(myAttention);
 * report.findings[0]?.rule  // "scale-missing"
 */
export async function check(attention: AttentionFunction, options: CheckOptions = {}): Promise<Report> {
  if (typeof attention !== "function") {
    throw new OptionError({
      where: "check",
      argument: "attention",
      got: `is ${attention === null ? "null" : typeof attention}`,
      expected: "a function (q, k, v, { causal, mask, scale, keyPadding }) => output",
      fix: "for a model { config, forward } call checkModel, for a multi-head module checkModule",
    });
  }
  const limit = options.timeLimit ?? timeLimit;
  return checkCandidate(
    {
      kind: "function",
      name: options.name ?? (attention.name || "attention"),
      ...(options.runtime ? { runtime: options.runtime } : {}),
      call: (q, k, v, o) => within(limit, () => attention(q, k, v, o)),
    },
    options,
  );
}

/** Checks a candidate of any kind, wherever it runs. */
export async function checkCandidate(candidate: Candidate, options: CheckOptions = {}): Promise<Report> {
  const list = chosenRules(candidate.kind, options);
  const about = { kind: candidate.kind, name: candidate.name };
  const seed = options.seed ?? 1;
  const gentle = soften(candidate.runtime ?? options.runtime);
  if (candidate.kind === "function") {
    const lab = new Lab(candidate, catalogue, options);
    const result = await runRules(list, options, (r) => r.probe!(lab), gentle);
    return { ...result, candidate: { ...about, precision: (await base(lab)).precision }, seed };
  }
  throw new Error("not yet");
}
