/** @file Alone and in a batch. */
import { number } from "../report/picture.js";
import { type Found, notTested, type Outcome } from "../rule.js";
import { at, differs, gap, type ModelLab, type ModelOutput, pooledAt } from "./model-lab.js";
import { unsteady } from "./model-repeat.js";

/** Largest difference of item b of x and item c of y, over the tokens named. */
export function itemGap(x: ModelOutput, b: number, y: ModelOutput, c: number, tokens?: [number, number][]): number {
  if (x.tokens && y.tokens) {
    const pairs = tokens ?? Array.from({ length: x.L }, (_, t): [number, number] => [t, t]);
    return Math.max(...pairs.map(([s, t]) => gap(at(x, b, s), at(y, c, t))));
  }
  return x.pooled && y.pooled ? gap(pooledAt(x, b), pooledAt(y, c)) : 0;
}

interface BatchFacts {
  /** Largest difference between an item alone and in a batch, without padding. */
  apart: number;
  /** Does item 0 move when item 1 is another text? */
  mixes: boolean;
  says: string;
}

export function batchFacts(lab: ModelLab): Promise<BatchFacts | string> {
  return lab.once("batch", async () => {
    const bad = await unsteady(lab);
    if (bad) return bad;
    const items = [31, 32, 33].map((n) => lab.ids(5, n));
    const alone = await lab.ask([items[0]!]);
    if (!alone.ok) return alone.message;
    let apart = 0;
    let says = "";
    for (const n of [2, 3]) {
      const together = await lab.ask(items.slice(0, n));
      if (!together.ok) return `a batch of ${n} fails: ${together.message}`;
      const g = itemGap(together, 0, alone, 0);
      if (g > apart) {
        apart = g;
        says = `ids ${JSON.stringify(items.slice(0, n))}, and the first alone`;
      }
    }
    const [x, y] = [await lab.ask([items[0]!, items[1]!]), await lab.ask([items[0]!, items[2]!])];
    const mixes = x.ok && y.ok && itemGap(x, 0, y, 0) > 1e-6;
    return { apart, mixes, says };
  });
}

export async function batchOfModel(lab: ModelLab): Promise<Outcome> {
  const f = await batchFacts(lab);
  if (typeof f === "string") return notTested(f);
  if (f.mixes || f.apart === 0) return "clear";
  return {
    ...(f.apart > differs ? { severity: "error" as const } : {}),
    message: `A text alone and in a batch differ by ${number(f.apart)} of their size.`,
    evidence: f.says,
  };
}

/** Do items of a batch see each other? */
export async function mixing(lab: ModelLab): Promise<Outcome> {
  const f = await batchFacts(lab);
  if (typeof f === "string") return notTested(f);
  if (!f.mixes) return "clear";
  return {
    message: "The output of a text changes with the other texts of its batch.",
    evidence: `${f.says}: they differ by ${number(f.apart)} of their size`,
  } satisfies Found;
}
