/**
 * @file The laboratory: asks a candidate attention function and remembers what was learnt.
 *
 * Rules do not call the candidate themselves. They ask here, so that a question is put once, every call is guarded
 * (time, exceptions, changed inputs) and facts found by one rule (the rank it takes, its precision) serve the others.
 */
import { type AttentionCandidate, CandidateFailure, type FailureKind } from "../candidate/candidate.js";
import { readValue } from "../candidate/value.js";
import type { CandidateOptions, CheckOptions, Numbers } from "../types.js";
import type { Catalogue } from "./catalogue.js";
import type { Problem, Shape } from "./problem.js";

export type Answer =
  | { ok: true; output: Float64Array; shape: number[] | undefined; raw: unknown }
  | { ok: false; kind: FailureKind | "shape" | "type"; message: string };

/** How many axes the candidate's tensors have: 4 is the contract, 3 is [B, L, D], 2 is [L, D]. */
export type Rank = 4 | 3 | 2;

export class Lab {
  readonly candidate: AttentionCandidate;
  readonly options: CheckOptions;
  readonly seed: number;
  readonly catalogue: Catalogue;
  rank: Rank = 4;
  /** Order of the output's axes, when it is not [B, H, Lq, Dv]. */
  layout: "heads" | "merged" = "heads";
  /** Arguments the candidate wrote into: "q", "mask" … */
  readonly mutated = new Map<string, Problem>();
  /** The first calls that did not come back, with what was asked. */
  readonly stuck: { kind: FailureKind; message: string; problem: Problem }[] = [];
  calls = 0;
  /** A result that was given out changed when the next call was made. */
  overwritten = false;
  private last: { raw: unknown; numbers: Float64Array } | undefined;
  private readonly memory = new Map<string, Promise<unknown>>();

  constructor(candidate: AttentionCandidate, catalogue: Catalogue, options: CheckOptions = {}) {
    this.catalogue = catalogue;
    this.candidate = candidate;
    this.options = options;
    this.seed = options.seed ?? 1;
  }

  /** Works something out once. */
  once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.memory.get(key) as Promise<T> | undefined;
    if (known) return known;
    const fresh = work();
    this.memory.set(key, fresh);
    return fresh;
  }

  /** The scale the function is meant to use when none is given. */
  meantScale(D: number): number {
    const own = this.options.scale;
    return own === undefined ? 1 / Math.sqrt(D) : typeof own === "number" ? own : own(D);
  }

  /** Axis lengths fit for the candidate: without heads at rank 3, without a batch at rank 2. */
  fit<S extends Partial<Shape>>(shape: S): S {
    if (this.rank === 4) return shape;
    const heads = { ...shape, H: 1, ...(shape.Hk === undefined ? {} : { Hk: 1 }) };
    return this.rank === 3 ? heads : { ...heads, B: 1 };
  }

  /** Puts one question. Never throws. */
  async ask(p: Problem): Promise<Answer> {
    if (this.stuck.length >= 3)
      return { ok: false, kind: "hangs", message: "three calls did not come back; no more were made" };
    this.calls++;
    const { q, k, v, options, originals } = this.arguments(p);
    let raw: unknown;
    try {
      raw = await this.candidate.call(q, k, v, options);
    } catch (error) {
      const kind = error instanceof CandidateFailure ? error.kind : "throws";
      const message = error instanceof Error ? error.message : String(error);
      if (kind !== "throws") this.stuck.push({ kind, message, problem: p });
      return { ok: false, kind, message: message.split("\n")[0]! };
    }
    for (const [name, now, before] of originals())
      if (!this.mutated.has(name) && !same(now, before)) this.mutated.set(name, p);
    const answer = this.read(raw, p);
    if (this.last && !this.overwritten) {
      const now = readValue(this.last.raw);
      this.overwritten = now !== undefined && !same(now.data, this.last.numbers);
    }
    this.last = answer.ok ? { raw, numbers: readValue(raw)!.data.slice() } : undefined;
    return answer;
  }

  private read(raw: unknown, p: Problem): Answer {
    const value = readValue(raw);
    if (!value) return { ok: false, kind: "type", message: `gave back ${describe(raw)}` };
    const size = p.B * p.H * p.Lq * p.Dv;
    const want = this.axes([p.B, p.H, p.Lq, p.Dv]);
    if (value.data.length !== size) {
      const got = value.shape ? `[${value.shape.join(", ")}]` : `${value.data.length} numbers`;
      return { ok: false, kind: "shape", message: `gave back ${got} for an output of [${want.join(", ")}]` };
    }
    const merged =
      value.shape?.length === 3 &&
      this.rank === 4 &&
      p.H > 1 &&
      value.shape[1] === p.Lq &&
      value.shape[2] === p.H * p.Dv;
    return { ok: true, output: merged ? splitMerged(value.data, p) : value.data, shape: value.shape, raw };
  }

  private axes(full: [number, number, number, number]): number[] {
    const [b, h, ...rest] = full;
    return this.rank === 4 ? [b, h, ...rest] : this.rank === 3 ? [b, ...rest] : rest;
  }

  private arguments(p: Problem) {
    const numbers = <A extends Float32Array | Uint8Array>(data: A, shape: number[]): Numbers<A> => ({
      data: data.slice() as A,
      shape: [...shape],
      dims: [...shape],
    });
    const q = numbers(p.q, this.axes([p.B, p.H, p.Lq, p.D]));
    const k = numbers(p.k, this.axes([p.B, p.Hk, p.Lk, p.D]));
    const v = numbers(p.v, this.axes([p.B, p.Hk, p.Lk, p.Dv]));
    const options: CandidateOptions = { ...structuredClone(p.extra ?? {}) };
    if (p.causal) options.causal = true;
    if (p.scale !== undefined) options.scale = p.scale;
    if (p.mask) {
      const shape = p.mask.shape;
      options.mask = numbers(
        p.mask.data,
        shape.length === 4 ? this.axes(shape as [number, number, number, number]) : shape,
      );
    }
    if (p.keyPadding) options.keyPadding = numbers(p.keyPadding, this.rank === 2 ? [p.Lk] : [p.B, p.Lk]);
    const originals = (): [string, ArrayLike<number>, ArrayLike<number>][] => {
      const list: [string, ArrayLike<number>, ArrayLike<number>][] = [
        ["q", q.data, p.q],
        ["k", k.data, p.k],
        ["v", v.data, p.v],
      ];
      if (p.mask && options.mask) list.push(["options.mask", options.mask.data, p.mask.data]);
      if (p.keyPadding && options.keyPadding) list.push(["options.keyPadding", options.keyPadding.data, p.keyPadding]);
      return list;
    };
    return { q, k, v, options, originals };
  }

  /**
   * The candidate's weights, read with the identity as v: o = W·I = W. The value width stays D, so keys come D at a time.
   * @returns [B, H, Lq, Lk], or the answer that could not be read
   */
  async weights(p: Problem): Promise<{ ok: true; weights: Float64Array } | Extract<Answer, { ok: false }>> {
    const { B, H, Hk, Lq, Lk, D } = p;
    const weights = new Float64Array(B * H * Lq * Lk);
    for (let from = 0; from < Lk; from += D) {
      const v = new Float32Array(B * Hk * Lk * D);
      for (let n = 0; n < B * Hk; n++) for (let d = 0; d < D && from + d < Lk; d++) v[(n * Lk + from + d) * D + d] = 1;
      const answer = await this.ask({ ...p, v, Dv: D });
      if (!answer.ok) return answer;
      for (let row = 0; row < B * H * Lq; row++)
        for (let d = 0; d < D && from + d < Lk; d++) weights[row * Lk + from + d] = answer.output[row * D + d]!;
    }
    return { ok: true, weights };
  }
}

/** [B, Lq, H·Dv] → [B, H, Lq, Dv]. */
function splitMerged(x: Float64Array, { B, H, Lq, Dv }: Shape): Float64Array {
  const out = new Float64Array(x.length);
  let n = 0;
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < Lq; i++) for (let d = 0; d < Dv; d++) out[n++] = x[((b * Lq + i) * H + h) * Dv + d]!;
  return out;
}

function same(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let n = 0; n < a.length; n++) if (!Object.is(a[n], b[n])) return false;
  return true;
}

function describe(raw: unknown): string {
  if (raw === undefined) return "nothing (undefined)";
  if (raw === null) return "null";
  if (typeof raw === "object")
    return `an object without numbers (${
      Object.keys(raw as object)
        .slice(0, 4)
        .join(", ") || "empty"
    })`;
  return `a ${typeof raw}`;
}
