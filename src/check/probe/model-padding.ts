/** @file What padding does to a model: at either side, alone and in a batch. */
import { number, sideBySide } from "../report/picture.js";
import { type Found, notTested, type Outcome } from "../rule.js";
import { batchFacts, itemGap } from "./model-batch.js";
import { at, differs, gap, type ModelLab, type ModelOutput, moved, pooledAt } from "./model-lab.js";
import { type Dependence, dependence } from "./model-maps.js";
import { unsteady } from "./model-repeat.js";

export interface PaddingFacts {
  /** Names of what is wrong, with its proof. */
  found: Partial<Record<PaddingRule, Found>>;
}

export type PaddingRule =
  | "mask-inverted"
  | "mask-on-query-axis"
  | "mask-head-order"
  | "padding-leak"
  | "pad-attends-pad"
  | "left-pad-positions"
  | "pad-in-pooling"
  | "dead-row-NaN"
  | "rope-layout"
  | "causal-dropped-on-a-path";

const real = 4;
const pads = 2;
const length = real + pads;

/** The finding of one rule about padding. */
export async function paddingOutcome(lab: ModelLab, id: PaddingRule): Promise<Outcome> {
  const f = await paddingFacts(lab);
  return typeof f === "string" ? notTested(f) : (f.found[id] ?? "clear");
}

export function paddingFacts(lab: ModelLab): Promise<PaddingFacts | string> {
  return lab.once("padding", async () => {
    const bad = await unsteady(lab);
    if (bad) return bad;
    const batch = await batchFacts(lab);
    if (typeof batch !== "string" && batch.mixes) return "items of a batch see each other already";
    const text = lab.ids(real, 41);
    const alone = await lab.ask([text]);
    if (!alone.ok) return alone.message;
    const found: PaddingFacts["found"] = {};
    if (alone.tokens) await perToken(lab, text, alone, found);
    if (alone.pooled) await pooled(lab, text, alone, found);
    if (Object.values(found).every((f) => f.severity === "info")) await inBatch(lab, found);
    if (!found["dead-row-NaN"]) await allPadding(lab, found);
    return { found };
  });
}

const padded = (lab: ModelLab, text: number[], side: "left" | "right") => {
  const fill = new Array<number>(pads).fill(lab.pad);
  const ones = text.map(() => 1);
  const zeros = fill.map(() => 0);
  return side === "left"
    ? { ids: [...fill, ...text], mask: [...zeros, ...ones], from: pads }
    : { ids: [...text, ...fill], mask: [...ones, ...zeros], from: 0 };
};

async function perToken(
  lab: ModelLab,
  text: number[],
  alone: ModelOutput,
  found: PaddingFacts["found"],
): Promise<void> {
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
      const onLeft: PaddingFacts["found"] = {};
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

/** Do real tokens move with padding? If so, how does the mask go wrong? */
async function leaks(
  lab: ModelLab,
  p: { ids: number[]; mask: number[] },
  answer: ModelOutput,
  map: Dependence,
  call: string,
  found: PaddingFacts["found"],
): Promise<void> {
  const positionsOf = (bit: number) => p.mask.flatMap((m, t) => (m === bit ? [t] : []));
  const [reals, blanks] = [positionsOf(1), positionsOf(0)];
  const { moves } = map;
  const visible = (i: number, j: number) => !lab.config.causal || j <= i;
  const toPads = reals.some((i) => blanks.some((j) => moves[i]![j]));
  if (!toPads) return;
  const picture = showing(lab, map);
  const others = reals.flatMap((i) => reals.filter((j) => j !== i && visible(i, j)).map((j) => moves[i]![j]!));
  const open = await lab.ask([p.ids]);
  const ignored = open.ok && gap(open.tokens!.data, answer.tokens!.data) <= moved;
  const sameReal = open.ok && Math.max(...reals.map((t) => gap(at(open, 0, t), at(answer, 0, t)))) <= moved;
  const padsAlone = blanks.every((i) => moves[i]!.every((x, j) => x === (i === j)));
  const finding = (message: string): Found => ({ message, evidence: `${call}\n${picture}` });
  if (!ignored && others.length > 0 && others.every((x) => !x))
    found["mask-inverted"] ??= finding(
      "Real tokens move with the padding and not with each other: the attention mask is read the wrong way round.",
    );
  else if (!ignored && (sameReal || padsAlone))
    found["mask-on-query-axis"] ??= finding(
      "The attention mask changes the outputs at the padding and leaves real tokens as they are without it: it hides queries instead of keys.",
    );
  else
    found["padding-leak"] ??= finding(
      ignored
        ? "The attention mask makes no difference: real tokens move with the padding."
        : "Real tokens move with the padding although it is masked: it is hidden in part only (a product, a constant that is too large, a mask after softmax).",
    );
}

function padSeesPad(lab: ModelLab, p: { mask: number[] }, map: Dependence, found: PaddingFacts["found"]): void {
  const last = length - 1;
  const { moves } = map;
  const realToPad = moves.slice(0, real).some((row) => row.slice(real).includes(true));
  const seesPad = moves[last]![last - 1]!;
  const seesReal = moves[last]!.slice(0, real).includes(true);
  if (realToPad || !seesPad || seesReal) return;
  found["pad-attends-pad"] ??= {
    message:
      "The outputs at the padding move with other padding and not with the text: masks of query and key are compared for equality.",
    evidence: `ids ${JSON.stringify([map.ids])}, attentionMask ${JSON.stringify([p.mask])}\n${showing(lab, map)}`,
  };
}

async function futureUnderMask(
  lab: ModelLab,
  p: { mask: number[] },
  map: Dependence,
  found: PaddingFacts["found"],
): Promise<void> {
  const ids = map.ids;
  const plain = await dependence(
    lab,
    ids,
    ids.map(() => 1),
  );
  if (typeof plain === "string") return;
  const future = (d: Dependence) =>
    d.moves.some((row, i) => p.mask[i] === 1 && row.some((x, j) => x && j > i && p.mask[j] === 1));
  if (future(plain) || !future(map)) return;
  found["causal-dropped-on-a-path"] = {
    message: "With padding in the attention mask the model is no longer causal: real tokens move with later ones.",
    evidence: `ids ${JSON.stringify([ids])}, attentionMask ${JSON.stringify([p.mask])}\n${showing(lab, map)}`,
  };
}

function positions(lab: ModelLab, call: string, apart: number, found: PaddingFacts["found"]): void {
  const rope =
    lab.config.positions === "rope" || lab.config["rope_theta"] !== undefined || lab.config["ropeTheta"] !== undefined;
  const base = `${call}, and the text alone: they differ by ${number(apart)} of their size, though the padding itself has no influence`;
  if (rope)
    found["rope-layout"] ??= {
      message:
        "With rotary positions a shift changes the output: scores do not depend on the distance alone, as when q and k are turned by different layouts.",
      evidence: base,
    };
  else
    found["left-pad-positions"] ??= {
      // BERT and its kin count from the row's start and are padded on the right: for an encoder that is a convention.
      ...(lab.config.causal ? {} : { severity: "info" as const }),
      message: lab.config.causal
        ? "Padding on the left moves the text's positions: its first token is no longer at position 0."
        : "Positions count from the start of the row: this encoder wants its padding on the right.",
      evidence: base,
    };
}

const showing = (lab: ModelLab, d: Dependence): string => {
  const want = d.moves.map((row, i) =>
    row.map((_, j) => (i === j || (d.mask[j] === 1 && (!lab.config.causal || j <= i)) ? 1 : 0)),
  );
  return `■ where output i (row) moves when token j (column) is another\n${sideBySide(
    want,
    d.moves.map((row) => row.map((x) => (x ? 1 : 0))),
  )}`;
};

/**
 * A pooled vector that moves with padding. Through pooling, the change that one padded token makes is h(y) − h(x) over the
 * number of tokens, exactly; through attention it is not. A vector that moves with one position only is read there.
 */
async function pooled(lab: ModelLab, text: number[], alone: ModelOutput, found: PaddingFacts["found"]): Promise<void> {
  const tokensRight = alone.tokens !== undefined && Object.values(found).every((f) => f.severity === "info");
  for (const side of ["right", "left"] as const) {
    const p = padded(lab, text, side);
    const answer = await lab.ask([p.ids], [p.mask]);
    if (!answer.ok || !answer.pooled) continue;
    const call = `ids ${JSON.stringify([p.ids])}, attentionMask ${JSON.stringify([p.mask])}`;
    if (!pooledAt(answer, 0).every(Number.isFinite)) {
      found["dead-row-NaN"] ??= { message: `With padding on the ${side} the pooled vector is NaN.`, evidence: call };
      continue;
    }
    const apart = gap(pooledAt(answer, 0), pooledAt(alone, 0));
    if (apart <= differs) continue;
    const open = await lab.ask([p.ids]);
    const ignored = open.ok && gap(pooledAt(open, 0), pooledAt(answer, 0)) <= moved;
    const movers: number[] = [];
    for (let t = 0; t < length; t++) {
      if (p.mask[t] === 1) continue;
      const changed = await lab.ask([p.ids.map((id, n) => (n === t ? lab.other(id, 3) : id))], [p.mask]);
      if (changed.ok && gap(pooledAt(changed, 0), pooledAt(answer, 0)) > moved) movers.push(t);
    }
    const says = `${call}, and the text alone: pooled vectors differ by ${number(apart)} of their size`;
    if (movers.length === 0) {
      if (found["pad-in-pooling"]) continue;
      if (side === "left" && !alone.tokens) {
        const readAt = await readPosition(lab, p);
        if (readAt !== undefined && p.mask[readAt] === 0) continue;
        positions(lab, call, apart, found);
      } else if (tokensRight)
        found["pad-in-pooling"] ??= { message: `Pooling counts the padding on the ${side}.`, evidence: says };
      else if (side === "right")
        found["pad-in-pooling"] ??= {
          message: "Pooling counts the padding: it divides by the padded length.",
          evidence: says,
        };
      continue;
    }
    const one = movers.length === 1 && (movers[0] === 0 || movers[0] === length - 1);
    if (tokensRight || one || (!ignored && (await linearInLength(lab, text, side)))) {
      const where =
        movers[0] === 0 && one
          ? "the vector is read at index 0, which is padding"
          : one
            ? "the vector is read at the last index, which is padding"
            : "padding is pooled";
      found["pad-in-pooling"] ??= {
        // Encoders are padded on the right as a rule, and then index 0 is right.
        ...(one && movers[0] === 0 && !lab.config.causal ? { severity: "warning" as const } : {}),
        message: `With padding on the ${side} ${where}.`,
        evidence: `${says}; the vector moves with padded positions ${movers.join(", ")}`,
      };
    } else
      found["padding-leak"] ??= {
        message: ignored
          ? "The attention mask makes no difference to the pooled vector."
          : `The pooled vector moves with the padding on the ${side}, and not as pooling alone would.`,
        evidence: says,
      };
  }
}

/** The only position whose token moves the pooled vector when no attention is left: undefined when several do. */
async function readPosition(lab: ModelLab, p: { ids: number[]; mask: number[] }): Promise<number | undefined> {
  const first = await lab.ask([p.ids], [p.mask]);
  if (!first.ok) return undefined;
  const movers: number[] = [];
  for (let t = 0; t < p.ids.length; t++) {
    const a = await lab.ask([p.ids.map((id, n) => (n === t ? lab.other(id, 3) : id))], [p.mask]);
    if (a.ok && gap(pooledAt(a, 0), pooledAt(first, 0)) > moved) movers.push(t);
  }
  return movers.length === 1 ? movers[0] : undefined;
}

/** Is the change that a padded token makes, times the number of tokens, the same with more padding behind it? */
async function linearInLength(lab: ModelLab, text: number[], side: "left" | "right"): Promise<boolean> {
  const change = async (count: number): Promise<Float64Array | undefined> => {
    const fill = new Array<number>(count).fill(lab.pad);
    const ids = side === "right" ? [...text, ...fill] : [...fill, ...text];
    const mask = ids.map((_, t) => ((side === "right" ? t < text.length : t >= count) ? 1 : 0));
    const t = side === "right" ? text.length : 0;
    const [x, y] = [
      await lab.ask([ids], [mask]),
      await lab.ask([ids.map((id, n) => (n === t ? lab.other(id, 3) : id))], [mask]),
    ];
    if (!x.ok || !y.ok) return undefined;
    return pooledAt(y, 0).map((v, n) => (v - pooledAt(x, 0)[n]!) * ids.length);
  };
  const [a, b] = [await change(1), await change(3)];
  return a !== undefined && b !== undefined && gap(a, b) < 1e-3;
}

/** Two texts of different length in one batch, and each alone under the same mask. */
async function inBatch(lab: ModelLab, found: PaddingFacts["found"]): Promise<void> {
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
async function allPadding(lab: ModelLab, found: PaddingFacts["found"]): Promise<void> {
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
