/**
 * @file One score before and after rotary positions: each pair of q and of k turned back to where it stood. The products of
 * the pairs as they were say what the words alone wanted; those after turning, what position made of it.
 * Su et al. 2021 (arXiv:2104.09864): pair p of a token at position m is turned by m·θ_p, so a product depends on the distance.
 */
import { ropeFrequencies } from "../../attention/index.js";
import type { Model } from "../../models/index.js";
import type { RopeSettings } from "../../models/rope.js";
import { QkRecord } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { At } from "./protocol.js";

export interface RotaryShown {
  pairs: {
    /** Which two numbers of the head, and the angle between query and key, (query − key)·θ, in radians. */
    dims: [number, number];
    angle: number;
    /** Tokens for a whole turn. */
    wavelength: number;
    before: number;
    after: number;
    /** (x, y) of q and k before and after. */
    q: [number, number, number, number];
    k: [number, number, number, number];
  }[];
  /** Numbers that do not turn: their product. */
  still: number;
  before: number;
  after: number;
}

/** The lab call "rotary": null where the model has no rotary positions or is not at hand. */
export const rotary: LabCall = async (asked, _options, context) => {
  const { run, kind, layer, head, query, key } = asked as At & { query: number; key: number };
  const { result, source } = context.run(run);
  const settings = (source.model as Model | undefined)?.layerAt(layer)?.rope;
  const record = result.trace.record(layer, kind);
  if (!settings || !(record instanceof QkRecord)) return null;
  const { q, k } = record.pair(0, head, query, key);
  return turnedBack(q, k, query, key, settings, record.keys);
};

export function turnedBack(
  q: Float32Array,
  k: Float32Array,
  query: number,
  key: number,
  { dim, base, scaling }: RopeSettings,
  length: number,
): RotaryShown {
  const { frequencies } = ropeFrequencies({ dim, base, scaling, length });
  const half = dim / 2;
  const pairs = Array.from(frequencies, (theta, p) => {
    const [a, b] = [p, p + half];
    const back = (x: Float32Array, position: number): [number, number, number, number] => {
      const [c, s] = [Math.cos(position * theta), Math.sin(position * theta)];
      return [x[a]! * c + x[b]! * s, x[b]! * c - x[a]! * s, x[a]!, x[b]!];
    };
    const [Q, K] = [back(q, query), back(k, key)];
    return {
      dims: [a, b] as [number, number],
      angle: (query - key) * theta,
      wavelength: (2 * Math.PI) / theta,
      before: Q[0] * K[0] + Q[1] * K[1],
      after: Q[2] * K[2] + Q[3] * K[3],
      q: Q,
      k: K,
    };
  });
  let still = 0;
  for (let d = dim; d < q.length; d++) still += q[d]! * k[d]!;
  const sum = (of: "before" | "after"): number => pairs.reduce((s, p) => s + p[of], still);
  return { pairs, still, before: sum("before"), after: sum("after") };
}
