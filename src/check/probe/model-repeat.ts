/** @file The same text again: chance and memory in a model. */
import { withFixedRandom } from "../candidate/candidate.js";
import { number } from "../report/picture.js";
import type { Outcome } from "../rule.js";
import { gap, type ModelLab, type ModelOutput } from "./model-lab.js";

const numbersOf = (o: ModelOutput): Float64Array => (o.tokens ?? o.pooled)!.data;

interface Facts {
  spread: number;
  random: boolean;
  afterOther: number;
  /** Do four answers all differ, without settling or growing apart? */
  noise: boolean;
  firsts: number[];
}

function facts(lab: ModelLab): Promise<Facts | string> {
  return lab.once("repeats", async () => {
    const ids = [lab.ids(5, 21)];
    const other = [ids[0]!.map((id) => lab.other(id, 7))];
    const outs: Float64Array[] = [];
    for (let n = 0; n < 4; n++) {
      const a = await lab.ask(ids);
      if (!a.ok) return `a plain call fails: ${a.message}`;
      outs.push(numbersOf(a).slice());
    }
    await lab.ask(other);
    const last = await lab.ask(ids);
    const afterOther = last.ok ? gap(numbersOf(last), outs[3]!) : 0;
    const gaps = outs.slice(1).map((o, n) => gap(o, outs[n]!));
    const spread = Math.max(...gaps);
    let random = false;
    if (spread > 0) {
      const fix = lab.candidate.withFixedRandom?.bind(lab.candidate) ?? withFixedRandom;
      const [x, y] = [await fix(() => lab.ask(ids)), await fix(() => lab.ask(ids))];
      random = gaps.slice(1).every((g) => g > 0) && x.ok && y.ok && gap(numbersOf(x), numbersOf(y)) === 0;
    }
    const noise = gaps.every((g) => g > 0) && Math.max(...gaps) < 4 * Math.min(...gaps);
    return { spread, random, afterOther, noise, firsts: outs.map((o) => o[0]!) };
  });
}

/** The reason why comparing two calls means nothing, if there is one. */
export async function unsteady(lab: ModelLab): Promise<string | undefined> {
  const f = await facts(lab);
  if (typeof f === "string") return f;
  return f.spread > 0 || f.afterOther > 0 ? "the model answers the same question differently each time" : undefined;
}

export async function dropoutOfModel(lab: ModelLab): Promise<Outcome> {
  const f = await facts(lab);
  if (typeof f === "string") return { notTested: f };
  if (f.spread === 0 || !(f.random || f.noise)) return "clear";
  return {
    message: `The same text gives outputs that differ by ${number(f.spread)} of their size: something is drawn at random.`,
    evidence: `ids ${JSON.stringify([lab.ids(5, 21)])}, four times: the first number is ${f.firsts.map(number).join(", ")}${f.random ? "; equal once Math.random gives the same numbers" : ""}`,
  };
}

export async function memoryOfModel(lab: ModelLab): Promise<Outcome> {
  const f = await facts(lab);
  if (typeof f === "string") return { notTested: f };
  if (lab.changedInputs)
    return {
      message: "The model writes into the ids or the mask it is given.",
      evidence: `ids ${JSON.stringify([lab.ids(5, 21)])}: other numbers after the call`,
    };
  if (f.random || (f.spread > 0 && f.noise)) return "clear";
  if (f.spread === 0 && f.afterOther === 0) return "clear";
  return {
    message: "The same text gives another output after another call: a call leaves something behind.",
    evidence: `ids ${JSON.stringify([lab.ids(5, 21)])}: outputs differ by ${number(Math.max(f.spread, f.afterOther))} of their size; first numbers ${f.firsts.map(number).join(", ")}`,
  };
}
