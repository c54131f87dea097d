/**
 * @file What if a head were otherwise? Edits are listeners on attention: no model knows of them.
 *
 *     output: "zero"      the head adds nothing: the same as deleting its columns of the output projection
 *     output: "mean"      every token gets the head's mean over tokens: its content without its choice
 *     output: 0.5         the head at half its strength
 *     mask, scale         who it may see, how sharply: the head is computed again
 *     weights             its map given outright, [Lq, Lk] or [B, Lq, Lk]
 *
 * While a text grows, masks and maps are those of the text as it will be, [T, T]: a step reads the rows of its queries and
 * the columns of the keys there are.
 *
 * Michel et al. 2019 (arXiv:1905.10650) for the first; mean ablation: Wang et al. 2022 (arXiv:2211.00593) §2.1.
 */
import type { AttentionKind, AttentionListener, HeardResult, Site } from "../attention/listen.js";
import { outputHeads } from "../kernels/layout.js";
import { kernelInForce, ops } from "../kernels/current.js";
import type { AttentionCall, Heads, Spread } from "../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, tensor } from "../tensor/index.js";
import type { Model } from "./model.js";

export interface Edit {
  layer: number;
  /** Which head; default all of the layer. */
  head?: number | undefined;
  /** Default: the model's only kind, or "encoder" of an encoder–decoder. */
  kind?: AttentionKind | undefined;
  /** What becomes of the head's output. */
  output?: "zero" | "mean" | number | undefined;
  /** 1 = may attend, beside the model's own rule; [Lq, Lk], or broadcast to [B, 1, Lq, Lk]. For `generate` of all tokens. */
  mask?: TensorLike | undefined;
  /** Another scale of q·k; the model's own is 1/√D in most. */
  scale?: number | undefined;
  /** The map itself: [Lq, Lk], or broadcast to [B, 1, Lq, Lk]. For `generate` of all tokens that will be there. */
  weights?: TensorLike | undefined;
}

/** An edit whose tables may be of more tokens than there are yet. */
type Placed = Edit & { isOfLongerText: boolean };

/**
 * A listener that makes the edits.
 * @param options.grows  whether the text grows step by step
 * @throws {OptionError} for an edit that says nothing or contradicts itself
 */
export function editor(edits: readonly Edit[], model: Model, { grows = false } = {}): AttentionListener {
  const usual: AttentionKind = model.family === "encoder-decoder" ? "encoder" : "self";
  const whole = edits.map((edit, i) => {
    const kind = edit.kind ?? usual;
    return { ...checked(edit, i, model), kind, isOfLongerText: grows && (kind === "self" || kind === "decoder") };
  });
  const at = (site: Site): Placed[] => whole.filter((e) => e.kind === site.kind && e.layer === site.layer);
  return {
    // What a head may see and how sharply is changed in the question, so that row sums and traces agree with it.
    before: (site, call) => at(site).reduce((c, edit) => asked(edit, site, c), call),
    after: (site, call, result) => at(site).reduce((r, edit) => answered(edit, site, call, r), result),
  };
}

function checked(edit: Edit, index: number, { layerCount: layers, family }: Model): Edit {
  const argument = `edit[${index}]`;
  const { output, mask, scale, weights } = edit;
  const given = [output, mask ?? scale, weights].filter((x) => x !== undefined).length;
  const refuse = (got: string, expected: string): never => {
    throw new OptionError({ where: "forward", argument, got, expected });
  };
  if (!(Number.isInteger(edit.layer) && edit.layer >= 0 && edit.layer < layers)) {
    refuse(`names layer ${edit.layer}`, `0 … ${layers - 1}, the layers of this model`);
  }
  const kinds: AttentionKind[] = family === "encoder-decoder" ? ["encoder", "decoder", "cross"] : ["self"];
  if (edit.kind !== undefined && !kinds.includes(edit.kind)) {
    refuse(`has kind "${edit.kind}"`, `one of those this model has: ${kinds.join(", ")}`);
  }
  if (given === 0) refuse("changes nothing", "output, mask, scale or weights");
  if (weights !== undefined && given > 1) refuse("gives weights beside output, mask or scale", "weights alone");
  if (output !== undefined && output !== "zero" && output !== "mean" && !Number.isFinite(output)) {
    refuse(`has output ${JSON.stringify(output)}`, '"zero", "mean" or a factor');
  }
  return edit;
}

function headsOf({ head }: Edit, { layer }: Site, { heads }: AttentionCall): number[] {
  if (head === undefined) return Array.from({ length: heads }, (_, h) => h);
  if (Number.isInteger(head) && head >= 0 && head < heads) return [head];
  const expected = `0 … ${heads - 1}, the heads of layer ${layer}`;
  throw new OptionError({ where: "forward", argument: "edit", got: `names head ${head}`, expected });
}

function asked(edit: Placed, site: Site, call: AttentionCall): AttentionCall {
  const heads = headsOf(edit, site, call);
  const masked = edit.mask ? { ...call, rule: { ...call.rule, mask: both(call, edit, heads) } } : call;
  return edit.scale === undefined ? masked : { ...masked, q: sharper(masked, heads, edit.scale / call.scale) };
}

function answered(edit: Placed, site: Site, call: AttentionCall, result: HeardResult): HeardResult {
  let { output } = result;
  const maps = new Map(result.maps);
  for (const head of headsOf(edit, site, call)) {
    if (edit.weights) {
      const map = spreadMap(edit, call);
      output = withWeights(map, call, output, head);
      maps.set(head, map);
    } else if (edit.output !== undefined) output = silenced(edit.output, call, output, head);
  }
  return { ...result, output, ...(maps.size > 0 && { maps }) };
}

/** Another scale for some heads is their queries times a factor. q lies merged, [B, Lq, …H·D…]. */
function sharper({ q, headDim }: AttentionCall, heads: readonly number[], factor: number): Heads {
  const width = q.strides[2];
  const factors = new Float32Array(width).fill(1);
  for (const h of heads) factors.fill(factor, q.offset + h * q.strides[1], q.offset + h * q.strides[1] + headDim);
  return { ...q, tensor: ops().binary("multiply", q.tensor, tensor(factors, [1, 1, width])) };
}

/** The rows of one head of a result, [start, start + Dv) in numbers, for every (b, i). */
function* rowsOf(call: AttentionCall, output: Tensor, head: number): Generator<{ b: number; i: number; at: number }> {
  const { offset, strides }: Heads = outputHeads(call, output);
  for (let b = 0; b < call.batch; b++) {
    for (let i = 0; i < call.queries; i++) {
      yield { b, i, at: offset + b * strides[0] + head * strides[1] + i * strides[2] };
    }
  }
}

/** A factor on one head's columns, through the graph, so that an edited model can still be trained. */
function silenced(output: "zero" | "mean" | number, call: AttentionCall, x: Tensor, head: number): Tensor {
  if (output === "mean") return averaged(call, x, head);
  const { valueDim: D, heads } = call;
  const merged = call.outputLayout === "merged";
  const factor = output === "zero" ? 0 : output;
  const factors = new Float32Array(merged ? heads * D : heads).fill(1);
  if (merged) factors.fill(factor, head * D, (head + 1) * D);
  else factors[head] = factor;
  return ops().binary("multiply", x, tensor(factors, merged ? [1, 1, heads * D] : [1, heads, 1, 1]));
}

function averaged(call: AttentionCall, output: Tensor, head: number): Tensor {
  const copy = kernelInForce().empty(output.shape);
  copy.data.set(output.data);
  const { batch, queries, valueDim: D } = call;
  const sums = new Float64Array(batch * D);
  const { data } = copy;
  for (const { b, at } of rowsOf(call, copy, head)) for (let d = 0; d < D; d++) sums[b * D + d]! += data[at + d]!;
  for (const { b, at } of rowsOf(call, copy, head)) {
    for (let d = 0; d < D; d++) data[at + d] = sums[b * D + d]! / queries;
  }
  return copy;
}

/** The model's own mask, and for the heads named the edit's as well. */
function both(call: AttentionCall, edit: Placed, named: readonly number[]): Spread<Uint8Array> {
  const { batch, heads, queries, keys } = call;
  const at = reader(edit, "mask", call);
  const own = call.rule.mask;
  const data = new Uint8Array(batch * heads * queries * keys).fill(1);
  let n = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const edited = named.includes(h);
      for (let i = 0; i < queries; i++) {
        for (let j = 0; j < keys; j++, n++) {
          const s = own?.strides;
          if (s && own.data[b * s[0] + h * s[1] + i * s[2] + j * s[3]] === 0) data[n] = 0;
          if (edited && at(b, i, j) === 0) data[n] = 0;
        }
      }
    }
  }
  return { data, strides: [heads * queries * keys, queries * keys, keys, 1] };
}

/** The map given, for every text of the batch: [B, Lq, Lk]. */
function spreadMap(edit: Placed, call: AttentionCall): Tensor {
  const { batch, queries, keys } = call;
  const at = reader(edit, "weights", call);
  const data = new Float32Array(batch * queries * keys);
  let n = 0;
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < queries; i++) for (let j = 0; j < keys; j++) data[n++] = at(b, i, j);
  }
  return tensor(data, [batch, queries, keys]);
}

/** o = P·v with the map given. */
function withWeights(map: Tensor, call: AttentionCall, output: Tensor, head: number): Tensor {
  const { queries, keys, valueDim: D, v } = call;
  const keyHead = Math.floor((head * call.keyHeads) / call.heads);
  const copy = kernelInForce().empty(output.shape);
  copy.data.set(output.data);
  const values = v.tensor.data;
  for (const { b, i, at: to } of rowsOf(call, copy, head)) {
    const sum = new Float64Array(D);
    for (let j = 0; j < keys; j++) {
      const w = map.data[(b * queries + i) * keys + j]!;
      if (w === 0) continue;
      const from = v.offset + b * v.strides[0] + keyHead * v.strides[1] + j * v.strides[2];
      for (let d = 0; d < D; d++) sum[d]! += w * values[from + d]!;
    }
    copy.data.set(sum, to);
  }
  return copy;
}

/** Reads a table that broadcasts to [B, Lq, Lk] (an axis of 1 for the head may be given), or of a longer text. */
function reader(
  edit: Placed,
  argument: "mask" | "weights",
  { batch, queries, keys }: AttentionCall,
): (b: number, i: number, j: number) => number {
  const { data, shape } = asTensor(edit[argument]!, "forward", `edit ${argument}`);
  const [B, H, Lq, Lk] =
    shape.length === 4 ? shape : shape.length === 3 ? [shape[0], 1, shape[1], shape[2]] : [1, 1, ...shape];
  const longer = edit.isOfLongerText;
  const fits = (d: number | undefined, full: number): boolean => d === full || d === 1;
  if (longer && shape.length >= 2 && H === 1 && fits(B, batch) && Lq! >= keys && Lk! >= keys) {
    const [first, size] = [keys - queries, B === 1 ? 0 : Lq! * Lk!];
    return (b, i, j) => data[b * size + (first + i) * Lk! + j]!;
  }
  if (shape.length < 2 || H !== 1 || !fits(B, batch) || !fits(Lq, queries) || !fits(Lk, keys)) {
    throw new ShapeError({
      where: "forward",
      argument: `edit ${argument}`,
      got: `has shape ${show(shape)}`,
      expected: longer
        ? `[T, T] of all tokens that will be there, at least ${keys}, or one that broadcasts to [${batch}, 1, T, T]`
        : `[${queries}, ${keys}], or one that broadcasts to [${batch}, 1, ${queries}, ${keys}]`,
    });
  }
  const step = (d: number | undefined, size: number): number => (d === 1 ? 0 : size);
  const [sb, si, sj] = [step(B, Lq! * Lk!), step(Lq, Lk!), step(Lk, 1)];
  return (b, i, j) => data[b * sb + i * si + j * sj]!;
}
