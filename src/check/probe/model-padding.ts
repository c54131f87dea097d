/** @file What padding does to a model: at either side, alone and in a batch. */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import { batchFacts, itemGap } from "./model-batch.js";
import { at, differs, gap, type ModelLab, type ModelOutput } from "./model-lab.js";
import { futureUnderMask, leaks, padSeesPad } from "./model-leaks.js";
import { dependence } from "./model-maps.js";
import { pooled } from "./model-pooling.js";
import { unsteady } from "./model-repeat.js";
import { length, padded, type PaddingFound, type PaddingRule, positions, real } from "./padded.js";

/** The finding of one rule about padding. */
export async function paddingOutcome(lab: ModelLab, id: PaddingRule): Promise<Outcome> {
  const f = await paddingFacts(lab);
  return typeof f === "string" ? notTested(f) : (f.found[id] ?? "clear");
}

export function paddingFacts(lab: ModelLab): Promise<{ found: PaddingFound } | string> {
  return lab.once("padding", async () => {
    const bad = await unsteady(lab);
    if (bad) return bad;
    const batch = await batchFacts(lab);
    if (typeof batch !== "string" && batch.mixes) return "items of a batch see each other already";
    const text = lab.ids(real, 41);
    const alone = await lab.ask([text]);
    if (!alone.ok) return alone.message;
    const found: PaddingFound = {};
    if (alone.tokens) await perToken(lab, text, alone, found);
    if (alone.pooled) await pooled(lab, text, alone, found);
    if (Object.values(found).every((f) => f.severity === "info")) await inBatch(lab, found);
    if (!found["dead-row-NaN"]) await allPadding(lab, found);
    return { found };
  });
}

async function perToken(lab: ModelLab, text: number[], alone: ModelOutput, found: PaddingFound): Promise<void> {
  for (const side of ["right", "left"] as const) {
    const p = padded(lab, text, side);
    const answer = await lab.ask([p.ids], [p.mask]);
    if (!answer.ok || !answer.tokens) continue;
    const isReal = (t: number) => p.mask[t] === 1;
    const call = `ids ${JSON.stringify([p.ids])}, attentionMask ${JSON.stringify([p.mask])}`;
    const nan = Array.from({ length }, (_, t) => t).filter((t) => !at(answer, 0, t).every(Number.isFinite));
    if (nan.length > 0) {
      const harm = nan.some(isReal);
      found["dead-row-NaN"] ??= {
        ...(harm ? {} : { severity: "warning" as const }),
        message: harm
          ? `With padding on the ${side} the outputs of real tokens are NaN.`
          : `With padding on the ${side} the outputs at the padding are NaN.`,
        evidence: `${call}: NaN at positions ${nan.join(", ")}`,
      };
      if (harm) continue;
    }
    const map = await dependence(lab, p.ids, p.mask);
    if (typeof map === "string") continue;
    if (side === "left" && !lab.config.causal) {
      // Encoders that are right with padding on the right may count on it there (lengths instead of a mask, positions
      // read off the ids): that is how they are used, so it is a convention.
      const onLeft: PaddingFound = {};
      await leaks(lab, p, answer, map, call, onLeft);
      const [leak] = Object.values(onLeft);
      if (leak && Object.keys(found).length === 0) {
        found["left-pad-positions"] = {
          ...leak,
          severity: "info",
          message: "This encoder is right with padding on the right and not with padding on the left.",
        };
        continue;
      }
    } else if (side === "left" || !lab.config.causal) await leaks(lab, p, answer, map, call, found);
    if (side === "right") padSeesPad(lab, p, map, found);
    if (lab.config.causal && !found["causal-dropped-on-a-path"]) await futureUnderMask(lab, p, map, found);
    const leaking =
      found["padding-leak"] ||
      found["mask-inverted"] ||
      found["mask-on-query-axis"] ||
      found["causal-dropped-on-a-path"];
    if (side === "left" && !leaking && !found["dead-row-NaN"]) {
      const apart = Math.max(...text.map((_, t) => gap(at(answer, 0, p.from + t), at(alone, 0, t))));
      if (apart > differs) positions(lab, call, apart, found);
    } else if (side === "right" && !leaking && !found["pad-attends-pad"]) {
      const apart = Math.max(...text.map((_, t) => gap(at(answer, 0, t), at(alone, 0, t))));
      if (apart > differs && nan.length === 0)
        found["padding-leak"] ??= {
          message: `Real tokens differ by ${number(apart)} of their size between the text alone and padded on the right.`,
          evidence: call,
        };
    }
  }
}

/** Two texts of different length in one batch, and each alone under the same mask. */
async function inBatch(lab: ModelLab, found: PaddingFound): Promise<void> {
  for (const side of ["left", "right"] as const) {
    const lengths = [length, 3, 5];
    const items = lengths.map((n, x) => {
      const text = lab.ids(n, 51 + x);
      const fill = new Array<number>(length - n).fill(lab.pad);
      const ids = side === "left" ? [...fill, ...text] : [...text, ...fill];
      const mask = ids.map((_, t) => ((side === "left" ? t >= length - n : t < n) ? 1 : 0));
      return { ids, mask };
    });
    const together = await lab.ask(
      items.map((x) => x.ids),
      items.map((x) => x.mask),
    );
    if (!together.ok) continue;
    for (const [b, item] of items.entries()) {
      const alone = await lab.ask([item.ids], [item.mask]);
      if (!alone.ok) continue;
      const tokens = item.mask.flatMap((m, t): [number, number][] => (m ? [[t, t]] : []));
      const apart = itemGap(together, b, alone, 0, tokens);
      if (apart <= differs) continue;
      found["mask-head-order"] = {
        message: `In a batch of different lengths item ${b} is not what it is alone under the same mask: it gets another item's mask.`,
        evidence: `ids ${JSON.stringify(items.map((x) => x.ids))}, attentionMask ${JSON.stringify(items.map((x) => x.mask))}: item ${b} differs by ${number(apart)} of its size`,
      };
      return;
    }
  }
}

/** An item that is nothing but padding, beside a real one. */
async function allPadding(lab: ModelLab, found: PaddingFound): Promise<void> {
  const text = lab.ids(real, 61);
  const ids = [text, text.map(() => lab.pad)];
  const mask = [text.map(() => 1), text.map(() => 0)];
  const answer = await lab.ask(ids, mask);
  if (!answer.ok) return;
  const { data, width } = (answer.tokens ?? answer.pooled)!;
  const per = answer.tokens ? width * real : width;
  const finite = (b: number) => data.subarray(b * per, (b + 1) * per).every(Number.isFinite);
  if (finite(0) && finite(1)) return;
  found["dead-row-NaN"] = {
    message: finite(0)
      ? "An item of nothing but padding gives NaN."
      : "An item of nothing but padding makes its neighbours NaN.",
    evidence: `ids ${JSON.stringify(ids)}, attentionMask ${JSON.stringify(mask)}`,
  };
}
