/**
 * @file A small encoder–decoder with T5's relative biases, in float64, and what can be wrong between its halves.
 * One layer each side, seeded weights, no training. Without `decoderIds` it gives the encoder's states.
 */
import { Random } from "../../src/check/probe/numbers.js";
import type { CandidateModel } from "../../src/check/types.js";

export interface Halves {
  /** Added to a cross-attention score; right is nothing. `own` is the decoder's bias of a distance. */
  cross?(i: number, j: number, h: number, own: (h: number, distance: number) => number): number;
  /** The row of the bias that a decoder's query takes, `past` tokens being cached; right is past + i. */
  row?(i: number, past: number): number;
  sourceMask?: boolean;
  causal?: boolean;
  positions?: "t5" | "learned from the row" | "learned, counted";
  tells?: boolean;
  async?: boolean;
}

const [V, d, H] = [19, 8, 2];
const D = d / H;

export function encoderDecoder(o: Halves = {}): CandidateModel {
  const r = new Random(77);
  const matrix = (a: number, b: number, s = 0.5) =>
    Array.from({ length: a }, () => Array.from({ length: b }, () => r.normal() * s));
  const embed = matrix(V, d, 1);
  const place = matrix(32, d, 0.7);
  const biases = { encoder: matrix(H, 101, 1.2), decoder: matrix(H, 101, 1.2) };
  const block = () => ({ q: matrix(d, d), k: matrix(d, d), v: matrix(d, d), o: matrix(d, d) });
  const weights = { encoder: block(), decoder: block(), cross: block() };
  const head = matrix(V, d);
  const times = (m: number[][], x: number[]) => m.map((row) => row.reduce((s, w, n) => s + w * x[n]!, 0));
  const distance = (table: number[][]) => (h: number, n: number) => table[h]![n + 50]!;

  /** x + o(softmax(q·k + bias) v), pairs out of sight absent. T5 has no scale. */
  function attend(
    w: ReturnType<typeof block>,
    x: number[][],
    keys: number[][],
    seen: (i: number, j: number) => boolean,
    bias: (h: number, i: number, j: number) => number,
  ): number[][] {
    const [q, k, v] = [x.map((y) => times(w.q, y)), keys.map((y) => times(w.k, y)), keys.map((y) => times(w.v, y))];
    return x.map((own, i) => {
      const mixed = Array.from({ length: H }, (_, h) => {
        const e = keys.map((_, j) => {
          if (!seen(i, j)) return 0;
          let s = bias(h, i, j);
          for (let n = h * D; n < (h + 1) * D; n++) s += q[i]![n]! * k[j]![n]! * 0.3;
          return Math.exp(s);
        });
        const l = e.reduce((a, y) => a + y, 0) || 1;
        return Array.from({ length: D }, (_, n) => e.reduce((a, y, j) => a + (y / l) * v[j]![h * D + n]!, 0));
      });
      return times(w.o, mixed.flat()).map((y, n) => own[n]! + y);
    });
  }

  function encode(ids: number[], mask: number[]): number[][] {
    const counted = (t: number) => Math.max(0, mask.slice(0, t + 1).reduce((a, m) => a + m, 0) - 1);
    const at = (t: number) => (o.positions === "learned, counted" ? counted(t) : t);
    const relative = (o.positions ?? "t5") === "t5";
    const x = ids.map((id, t) => embed[id]!.map((e, n) => e + (relative ? 0 : place[at(t)]![n]!)));
    const bias = distance(biases.encoder);
    return attend(
      weights.encoder,
      x,
      x,
      (_i, j) => mask[j] === 1,
      (h, i, j) => (relative ? bias(h, j - i) : 0),
    );
  }

  /** `before` holds the ids read so far: keys and values of a layer over embeddings follow from them. */
  function decode(memory: number[][], mask: number[], ids: number[], before: number[]): number[][] {
    const n = before.length;
    const [x, keys] = [ids, [...before, ...ids]].map((list) => list.map((id) => embed[id]!)) as [
      number[][],
      number[][],
    ];
    const bias = distance(biases.decoder);
    const row = o.row ?? ((i, past) => past + i);
    const own = attend(
      weights.decoder,
      x,
      keys,
      (i, j) => o.causal === false || j <= n + i,
      (h, i, j) => bias(h, j - row(i, n)),
    );
    const across = attend(
      weights.cross,
      own,
      memory,
      (_i, j) => o.sourceMask === false || mask[j] === 1,
      (h, i, j) => o.cross?.(n + i, j, h, bias) ?? 0,
    );
    return across.map((y) => times(head, y));
  }

  const tensor = (x: number[][][]) => ({
    data: Float32Array.from(x.flat(2)),
    shape: [x.length, x[0]!.length, x[0]![0]!.length],
  });
  const forward: CandidateModel["forward"] = (ids, attentionMask, past, extra) => {
    const memory = ids.map((row, b) => encode(row, attentionMask[b]!));
    const target = extra?.["decoderIds"] as number[][] | undefined;
    if (!target) return { lastHiddenState: tensor(memory) };
    const before = (past as number[][] | undefined) ?? target.map(() => []);
    const logits = target.map((row, b) => decode(memory[b]!, attentionMask[b]!, row, before[b]!));
    return { logits: tensor(logits), past: target.map((row, b) => [...before[b]!, ...row]) };
  };
  return {
    config: { vocabSize: V, encoderDecoder: true, ...(o.tells ? { positions: "t5" as const } : {}) },
    forward: o.async ? async (...call) => forward(...call) : forward,
  };
}
