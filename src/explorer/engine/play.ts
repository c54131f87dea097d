/** @file Numbers for the chapters: a tiny attention that can be edited, and the stream of a run from layer to layer. */
import { attention, attentionWeights } from "../../attention/index.js";
import { tensor } from "../../tensor/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";

/** A few tokens with q, k [n, d] and v [n, dv]. */
export interface PlayAsked {
  q: number[][];
  k: number[][];
  v: number[][];
  causal: boolean;
  scaled: boolean;
}
export interface PlayShown {
  /** q·k of every pair. */
  products: number[][];
  /** After the scale; null = may not attend. */
  scores: (number | null)[][];
  weights: number[][];
  output: number[][];
}

const rows = (x: { data: Float32Array; shape: readonly number[] }): number[][] => {
  const width = x.shape.at(-1)!;
  return Array.from({ length: x.data.length / width }, (_, i) => [...x.data.subarray(i * width, (i + 1) * width)]);
};

/** The lab call "play". */
export const play: LabCall = async (asked) => {
  const { q, k, v, causal, scaled } = asked as PlayAsked;
  const matrix = (x: number[][]) => tensor(x.flat(), [x.length, x[0]!.length]);
  const scale = scaled ? 1 / Math.sqrt(q[0]!.length) : 1;
  const products = q.map((a) => k.map((b) => a.reduce((sum, x, d) => sum + x * b[d]!, 0)));
  const options = { causal, scale };
  return {
    products,
    scores: products.map((r, i) => r.map((x, j) => (causal && j > i ? null : x * scale))),
    weights: rows(attentionWeights(matrix(q), matrix(k), options)),
    output: rows(attention(matrix(q), matrix(k), matrix(v), options)),
  } satisfies PlayShown;
};

/** Mean length of a token's vector after each layer, and how much of it is new: ‖h_l − h_{l−1}‖. */
export interface StreamShown {
  width: number;
  /** The last one has gone through the norm before the words. */
  normed: boolean;
  layers: { length: number; added: number | null }[];
}

/** The lab call "stream": what each block adds to the residual stream. */
export const stream: LabCall = async (asked, _options, context) => {
  const { run, kind } = asked as { run: number; kind: Kind };
  const { trace } = context.run(run).result;
  const states = kind === "encoder" ? trace.encoderHiddenStates : trace.hiddenStates;
  const width = states[0]?.shape.at(-1) ?? 0;
  const mean = (from: (i: number) => number, tokens: number): number => {
    let total = 0;
    for (let t = 0; t < tokens; t++) {
      let squares = 0;
      for (let d = 0; d < width; d++) squares += from(t * width + d) ** 2;
      total += Math.sqrt(squares);
    }
    return total / tokens;
  };
  return {
    width,
    normed: !/bert|electra/i.test(trace.info.architecture), // those norm at the end of each block
    layers: states.map((h, l) => {
      const tokens = h.size / width;
      const before = states[l - 1];
      return {
        length: mean((i) => h.data[i]!, tokens),
        added: before ? mean((i) => h.data[i]! - before.data[i]!, tokens) : null,
      };
    }),
  } satisfies StreamShown;
};
