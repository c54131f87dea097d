/**
 * @file What `compare` compares: every mechanism with the options it is usually run with, and exact attention, each with
 * what it has to be measured against.
 */
import type { Tensor } from "../../tensor/index.js";
import { attention } from "../scaled-dot-product.js";
import { bigBird } from "./big-bird.js";
import type { Cost, CostShape } from "./cost.js";
import { fixed } from "./fixed.js";
import { linearAttention } from "./linear-attention.js";
import { linformer } from "./linformer.js";
import { longformer } from "./longformer.js";
import type { Mechanism } from "./mechanism.js";
import { performer } from "./performer.js";
import { reformer } from "./reformer.js";
import { slidingWindow } from "./sliding-window.js";
import { streaming } from "./streaming.js";
import { strided } from "./strided.js";
import { topKBlocks } from "./top-k-blocks.js";

type Run = (q: Tensor, k: Tensor, v: Tensor, options: any) => Tensor;

export interface Candidate {
  name: string;
  run: Run;
  cost(shape: CostShape, options: object): Cost;
  /** Its options at a length, `causal` apart. */
  options(length: number): object;
  /** What it stands in for, on the same operands. */
  exact(q: Tensor, k: Tensor, v: Tensor, causal: boolean): Tensor;
  /** It sees fewer keys exactly, rather than all of them roughly. */
  restricts: boolean;
  /** q is its own key. */
  sharedKeys?: boolean;
  neverCausal?: boolean;
  alwaysCausal?: boolean;
}

const dense: Candidate["exact"] = (q, k, v, causal) => attention(q, k, v, { causal });

function candidate(
  mechanism: Mechanism<never> | typeof linearAttention,
  options: Candidate["options"],
  more: Partial<Candidate> = {},
): Candidate {
  const m = mechanism as unknown as Mechanism<object>;
  return {
    name: m.mechanism,
    run: m as Run,
    cost: (s, o) => m.cost(s as never, o),
    options,
    exact: dense,
    restricts: true,
    ...more,
  };
}

/** All of them, exact attention first. A window that covers everything is exact attention, so its cost is counted as one. */
export function candidates(): Candidate[] {
  const everything = { window: { left: Infinity, right: Infinity } };
  return [
    candidate(slidingWindow, () => ({}), {
      name: "exact",
      run: (q, k, v, { causal }) => dense(q, k, v, causal),
      cost: (shape, options) => slidingWindow.cost(shape, { ...options, ...everything }),
    }),
    candidate(slidingWindow, () => ({ window: 128 })),
    candidate(strided, (length) => ({ stride: Math.ceil(Math.sqrt(length)) })),
    candidate(fixed, (length) => ({ blockSize: Math.ceil(Math.sqrt(length)) })),
    candidate(longformer, () => ({ window: 128, globalTokens: [0] })),
    candidate(bigBird, () => ({ blockSize: 64, randomBlocks: 3 })),
    candidate(topKBlocks, () => ({ blockSize: 64, topK: 4 })),
    candidate(streaming, () => ({ sinks: 4, window: 128 }), { alwaysCausal: true }),
    candidate(reformer, () => ({ chunkLength: 64, rounds: 4 }), {
      sharedKeys: true,
      exact: (q, _, v, causal) => reformer(q, q, v, { chunkLength: q.shape[2]!, causal }),
    }),
    candidate(linformer, () => ({ rank: 256 }), { restricts: false, neverCausal: true }),
    candidate(performer, () => ({ features: 256 }), { restricts: false }),
    candidate(linearAttention, () => ({}), { restricts: false }),
  ];
}
