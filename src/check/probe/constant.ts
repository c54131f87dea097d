/** @file Masks that are numbers: which number, and from what score on it fails. */
import { number } from "../report/picture.js";
import { type Found, notTested, type Outcome } from "../rule.js";
import { base, isPlain } from "./base.js";
import { unmaskedColumn } from "./columns.js";
import { showMaps } from "./evidence.js";
import { huge } from "./huge.js";
import type { Lab } from "./lab.js";
import { type PathName, type PathVerdict, pathNames, pathSays, pathVerdict } from "./masking.js";
import { pathOutcome, shrinkPath } from "./named.js";
import { problem, shapeOf } from "./problem.js";

/**
 * How far above the seen scores a masked one is put. Attention logits of thousands occur in large models (Dehghani et
 * al. 2023, arXiv:2302.05442 report 50 000); −10 000, BERT's constant, holds here and is reported as a convention.
 */
const above = 4000;

export async function constantOutcome(lab: Lab): Promise<Outcome> {
  const known = await base(lab);
  const verdicts: PathVerdict[] = [];
  for (const path of pathNames) verdicts.push(await pathVerdict(lab, path));
  if (verdicts.every((v) => v.status === "base")) return notTested("the output without a mask is wrong already");
  const read = verdicts.filter((v) => v.constant);
  if (read.length > 0) return fromWeights(lab, read);
  const named = await pathOutcome(lab, "mask-constant-wrong");
  if (typeof named === "object" && "message" in named) return named;
  const zero = isPlain(known) ? await nearZero(lab, verdicts) : undefined;
  if (zero) return zero;
  for (const v of verdicts) {
    if (v.status === "NaN" && known.precision !== "float16" && (await liveNaN(lab, v.path)))
      return timesInfinity(lab, v);
  }
  const half = known.tolerance > 1e-3;
  for (const v of verdicts) {
    if (v.status !== "right") continue;
    for (const which of ["masked up", "seen down"] as const) {
      const r = await huge(lab, v.path, half ? 400 : above, which);
      if (r?.status !== "leaks") continue;
      const shown = showMaps(r.problem, r.expected, r.weights, lab);
      return {
        message: `Masked scores get a finite constant that larger scores overtake (${pathSays[v.path]}).`,
        evidence: `A masked key whose score lies ${r.offset} above those of the seen keys takes ${number(r.leaked)} of a row.\n${shown.evidence}`,
        probe: shown.probe,
      };
    }
  }
  return "clear";
}

async function fromWeights(lab: Lab, read: PathVerdict[]): Promise<Found> {
  const { constant, path } = read[0]!;
  const { kind, value } = constant!;
  const shown = await shrinkPath(lab, path);
  const shownValue = Math.abs(value) < 1e-3 ? "about 0 (such as 1e-9)" : number(value);
  const what =
    kind === "fill"
      ? `Masked scores are replaced by ${shownValue}`
      : value > -1.5 && value < -0.5
        ? "The mask is added to the scores as 0 and 1: a masked score is only 1 lower"
        : `${shownValue} is added to masked scores`;
  return {
    message: `${what}, which does not hide them (${read.map((v) => pathSays[v.path]).join("; ")}).`,
    evidence: [
      `Read off the weights: the score a masked key must have had, u = ln W + ln Σ e^s, is ${kind === "fill" ? `${number(value)} whatever q·k is` : `its own score ${value < 0 ? "−" : "+"} ${number(Math.abs(value))}`}.`,
      ...(shown ? [shown.evidence] : []),
    ].join("\n"),
    ...(shown ? { probe: shown.probe } : {}),
  };
}

/**
 * 1e-9 for −1e9. In float32 e^1e-9 is 1, so a score that is filled with it looks multiplied by zero and one it is added
 * to looks not masked at all. Two tests tell them apart: a NaN in a masked key survives a product and not a
 * replacement; and two keys of equal score, one masked, with values ±2^30, leave 2^29·1e-9 in float64.
 */
async function nearZero(lab: Lab, verdicts: PathVerdict[]): Promise<Found | undefined> {
  for (const v of verdicts) {
    const zeroed = v.mechanism?.mechanism.kind === "multiply" && !v.pair;
    const ignored = v.pair?.rule !== undefined && v.pair.hidesNothing === true;
    if (!zeroed && !ignored) continue;
    const c = await amplified(lab, v.path);
    const filled = zeroed && (await replaced(lab, v.path));
    if (!(c !== undefined && Math.abs(c) > 1e-12) && !filled) continue;
    const shown = await shrinkPath(lab, v.path);
    const value = c !== undefined && Math.abs(c) > 1e-12 ? `about ${c.toExponential(0)}` : "about 0, such as 1e-9";
    return {
      message: `Masked scores ${zeroed ? "are replaced by" : "get an addition of"} ${value}, which does not hide them (${pathSays[v.path]}).`,
      evidence: [
        `e^${c ? c.toExponential(0) : "0"} is 1, as large as the weight of a score of 0.`,
        ...(filled
          ? ["A NaN in a masked key does not reach the row, so the score is replaced and not multiplied."]
          : []),
        ...(shown ? [shown.evidence] : []),
      ].join("\n"),
      ...(shown ? { probe: shown.probe } : {}),
    };
  }
  return undefined;
}

/** The constant that two equal scores, one of them masked, show: out = X·(w₀ − w₁) = −X·c/2. */
async function amplified(lab: Lab, path: PathName): Promise<number | undefined> {
  const X = 2 ** 30;
  const p = unmaskedColumn(path, problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 2, D: 2 })), lab.seed));
  p.q.fill(0);
  for (let n = 0; n < p.v.length; n++) p.v[n] = n < p.v.length / 2 ? X : -X;
  const answer = await lab.ask(p);
  return answer.ok && Number.isFinite(answer.output[0]!) ? (-2 * answer.output[0]!) / X : undefined;
}

async function replaced(lab: Lab, path: PathName): Promise<boolean> {
  const p = unmaskedColumn(path, problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D: 2 })), lab.seed));
  p.k.fill(Number.NaN, p.k.length - p.D);
  const answer = await lab.ask(p);
  return answer.ok && Number.isFinite(answer.output[0]!);
}

/** Are there NaN in rows that see something? */
export async function liveNaN(lab: Lab, path: PathName): Promise<boolean> {
  const p = unmaskedColumn(path, problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D: 2 })), lab.seed));
  const answer = await lab.ask(p);
  return answer.ok && Number.isNaN(answer.output[p.Dv]!);
}

async function timesInfinity(lab: Lab, v: PathVerdict): Promise<Found> {
  const shown = await shrinkPath(lab, v.path);
  return {
    message: `With ${pathSays[v.path]} rows that see keys come out NaN, as 0 · ∞ does: the mask is multiplied by an infinite constant.`,
    evidence: shown?.evidence ?? "Every row is NaN although each sees a key.",
    fix: "Select, do not multiply: where(mask, score, −Infinity); (1 − mask)·(−∞) is NaN where the mask is 1",
    ...(shown ? { probe: shown.probe } : {}),
  };
}
