/** @file Pooled vectors and padding. */
import { number } from "../report/picture.js";
import { differs, gap, type ModelLab, type ModelOutput, moved, pooledAt } from "./model-lab.js";
import { length, padded, type PaddingFound, positions } from "./padded.js";

/**
 * A pooled vector that moves with padding. Through pooling, the change that one padded token makes is h(y) − h(x) over the
 * number of tokens, exactly; through attention it is not. A vector that moves with one position only is read there.
 */
export async function pooled(lab: ModelLab, text: number[], alone: ModelOutput, found: PaddingFound): Promise<void> {
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
      // An encoder that is known to want its padding on the right may read its vector at index 0.
      if (side === "left" && one && movers[0] === 0 && found["left-pad-positions"]?.severity === "info") continue;
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
