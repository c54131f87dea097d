/** @file `check`: an attention function in, the names of its mistakes out. */
import type { Model } from "../models/index.js";
import { OptionError } from "../tensor/index.js";
import { type Candidate, isLoadedModel, within } from "./candidate/candidate.js";
import { Lab } from "./probe/lab.js";
import { ModelLab } from "./probe/model-lab.js";
import { plainMap } from "./probe/model-maps.js";
import { ModuleLab } from "./probe/module-lab.js";
import { rules } from "./rules/index.js";
import { chosenRules, runRules } from "./run.js";
import { soften } from "./candidate/runtimes.js";
import { base } from "./probe/base.js";
import type { AttentionFunction, CandidateModel, CheckOptions, MultiHeadModule, Report } from "./types.js";

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

/**
 * Checks a whole model.
 * @param given `{ config: { vocabSize, causal }, forward(ids, attentionMask, past?) }` → logits, hidden states or a pooled
 *     vector; sync or async. Or a model of `loadModel` as it is
 * @throws {OptionError} when it has no forward or no vocabulary
 * Cost: about 100 calls on texts of seven tokens.
 * @example
 * const report = await checkModel(await loadModel("bundled"));
 */
export async function checkModel(given: CandidateModel | Model, options: CheckOptions = {}): Promise<Report> {
  const model = isLoadedModel(given) ? (await import("./candidate/loaded.js")).candidateOf(given) : given;
  const vocabulary = model?.config?.vocabSize;
  if (typeof model?.forward !== "function" || !(vocabulary >= 2)) {
    throw new OptionError({
      where: "checkModel",
      argument: "model",
      got: typeof model?.forward === "function" ? `has config.vocabSize ${vocabulary}` : "has no forward",
      expected: "{ config: { vocabSize, causal }, forward(ids, attentionMask) }, or a model of loadModel",
      fix: "give the size of the vocabulary as config.vocabSize",
    });
  }
  const limit = options.timeLimit ?? timeLimit;
  return checkCandidate(
    {
      kind: "model",
      name: options.name ?? (isLoadedModel(given) ? given.name : "model"),
      config: model.config,
      forward: (ids, mask, past, extra) =>
        within(limit, () =>
          extra === undefined ? model.forward(ids, mask, past) : model.forward(ids, mask, past, extra),
        ),
    },
    options,
  );
}

/** Checks a multi-head module: projections, split into heads, attention, merge. */
export async function checkModule(module: MultiHeadModule, options: CheckOptions = {}): Promise<Report> {
  if (typeof module?.forward !== "function" || !(module.heads >= 1)) {
    throw new OptionError({
      where: "checkModule",
      argument: "module",
      got: typeof module?.forward === "function" ? `has heads ${module.heads}` : "has no forward",
      expected: "{ heads, weights: { q, k, v, o }, forward(x, { mask }) }",
    });
  }
  const limit = options.timeLimit ?? timeLimit;
  return checkCandidate(
    {
      kind: "multi-head",
      name: options.name ?? "module",
      heads: module.heads,
      weights: module.weights,
      forward: (x, o) => within(limit, () => module.forward(x, o)),
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
  if (candidate.kind === "model") {
    const lab = new ModelLab(candidate, options);
    await knowDirection(lab);
    return { ...(await runRules(list, options, (r) => r.probeModel!(lab), gentle)), candidate: about, seed };
  }
  const lab = new ModuleLab(candidate, options);
  return { ...(await runRules(list, options, (r) => r.probeModule!(lab), gentle)), candidate: about, seed };
}

/** A model that does not say whether it is causal is taken for what its outputs depend on. */
async function knowDirection(lab: ModelLab): Promise<void> {
  if (lab.config.causal !== undefined) return;
  const map = await plainMap(lab);
  lab.config.causal = typeof map !== "string" && map.moves.every((row, i) => row.every((x, j) => x === j <= i));
}
