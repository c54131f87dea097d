/**
 * @file One block of the model, stage by stage, for one token: the operations as they ran, with the token's numbers after
 * each. Nothing here knows an architecture: the stages are what the model asked of its kernel between two hidden states.
 */
import type { Tensor } from "../../tensor/index.js";
import { OptionError, UnavailableError } from "../../tensor/index.js";
import type { Model } from "../../models/index.js";
import type { LabCall } from "./labs.js";
import { batchOf } from "./reading.js";
import type { Kind } from "./protocol.js";
import { watching } from "./watch.js";

export interface BlockAsked {
  run: number;
  /** Which stack of an encoder–decoder: "encoder", or its decoder for the two other kinds. */
  kind: Kind;
  layer: number;
  token: number;
}
export interface Stage {
  id: "in" | "norm" | "project" | "attention" | "add" | "widen" | "other";
  name: string;
  says: string;
  /** The token's numbers after this stage. */
  values: Float32Array;
  /** ‖values‖. */
  length: number;
  /** What was added to the stream, where something was: its length, and how much of it points along the stream (cosine). */
  added: { length: number; along: number } | null;
}
export interface BlockShown {
  layer: number;
  layers: number;
  /** Of the two stacks of an encoder–decoder, the one looked at. */
  stack?: "encoder" | "decoder";
  token: number;
  width: number;
  stages: Stage[];
  /** Largest |difference| between the last stage and the hidden state that the trace keeps; NaN where it keeps the normed one. */
  off: number;
}

const lengthOf = (x: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < x.length; i++) s += x[i]! ** 2;
  return Math.sqrt(s);
};

/** The numbers of one token in a result with a row a token; undefined where it has other rows. */
function rowOf(x: Tensor, tokens: number, token: number): Float32Array | undefined {
  const width = x.shape.at(-1)!;
  if (x.size !== tokens * width) return undefined;
  return Float32Array.from(x.data.subarray(token * width, (token + 1) * width));
}

export const block: LabCall = async (asked, _options, context) => {
  const { run, kind, layer, token } = asked as BlockAsked;
  const { result, source } = context.run(run);
  const model = source.model as Model | undefined;
  if (!model) {
    throw new UnavailableError({ where: "block", argument: source.card.name, got: "is a graph or a recording, whose stages cannot be watched", fix: "open the model's own folder (config.json and safetensors) or GGUF file" }); // biome-ignore format: one error
  }
  const stack = model.family === "encoder-decoder" ? (kind === "encoder" ? "encoder" : "decoder") : undefined;
  const states = stack === "encoder" ? result.trace.encoderHiddenStates : result.trace.hiddenStates;
  const layers = states.length - 1;
  if (!(layer >= 0 && layer < layers)) {
    throw new OptionError({ where: "block", argument: "layer", got: `is ${layer}`, expected: `0 to ${layers - 1}` });
  }
  const width = states[0]!.shape.at(-1)!;
  const tokens = states[0]!.size / width;
  const at = Math.min(tokens - 1, Math.max(0, token));
  const before = rowOf(states[layer]!, tokens, at)!;
  const stages: Stage[] = [];
  let stream = before;
  const put = (
    id: Stage["id"],
    name: string,
    says: string,
    x: Tensor | Float32Array,
    added: Stage["added"] = null,
  ): void => {
    const values = x instanceof Float32Array ? x : rowOf(x, tokens, at);
    if (values) stages.push({ id, name, says, values, length: lengthOf(values), added });
  };
  /** What a sum changed in the stream. */
  const change = (after: Float32Array): Stage["added"] => {
    if (after.length !== stream.length) return null;
    const delta = after.map((x, i) => x - stream[i]!);
    const [d, s] = [lengthOf(delta), lengthOf(stream)];
    const dot = delta.reduce((sum, x, i) => sum + x * stream[i]!, 0);
    stream = after;
    return { length: d, along: d > 0 && s > 0 ? dot / (d * s) : 0 };
  };
  put(
    "in",
    layer === 0 ? "the embedding" : `what block ${layer - 1} left`,
    "the residual stream, a row of numbers for this token",
    before,
  );

  let seen = 0;
  let ended = false;
  const here = (): boolean => seen === layer + 1 && !ended;
  let mixed = false;
  let attentions = 0;
  /** What the encoder gave: its keys and values are no token's of this stack. */
  let memory: Tensor | undefined;
  const sum = (y: Tensor): Tensor => {
    const row = here() ? rowOf(y, tokens, at) : undefined;
    if (row && row.length === width) {
      const added = change(row);
      put(
        "add",
        "the sum",
        mixed
          ? "attention's result, projected by W_O, added to the stream"
          : "the feed-forward result, added to the stream",
        row,
        added,
      );
      mixed = false;
    }
    return y;
  };
  const hidden = (): void => { seen++; }; // biome-ignore format: one line
  const pass = stack === "encoder" ? { encoderHidden: hidden } : { hidden, stream: () => { ended = true; }, encoderHidden: (x: Tensor) => { memory = x; } }; // biome-ignore format: one choice
  model.scoped(() =>
    watching(
      {
        layerNorm: (go, ...x) => {
          const y = go(...x);
          if (here())
            put("norm", "norm", "brought to mean 0 and spread 1, then scaled and shifted by learned numbers", y);
          return y;
        },
        rmsNorm: (go, ...x) => {
          const y = go(...x);
          if (here()) put("norm", "norm", "brought to a mean square of 1, then scaled by learned numbers", y);
          return y;
        },
        attention: (go, call) => {
          const r = go(call);
          mixed = here();
          if (here()) {
            const merged = call.outputLayout === "merged";
            const D = call.valueDim;
            const row = new Float32Array(call.heads * D);
            for (let h = 0; h < call.heads; h++) {
              const from = D * (merged ? at * call.heads + h : h * call.queries + at);
              row.set(r.output.data.subarray(from, from + D), h * D);
            }
            put(
              "attention",
              attentions++ > 0 ? "cross-attention" : "attention",
              `${call.heads} heads, each a mean of values${attentions > 1 ? ` of the source's ${call.keys} tokens` : ""} weighed by its own softmax, side by side`,
              row,
            );
          }
          return r;
        },
        linear: (go, x, weight, options = {}) => {
          const y = go(x, weight, options);
          if (options.residual) return sum(y);
          if (here()) {
            if (options.activation)
              put(
                "widen",
                `feed-forward, through ${options.activation}`,
                "each token alone: more numbers than the stream has, the negative ones nearly gone",
                y,
              );
            else if (!mixed && stages.at(-1)?.id !== "widen" && x !== memory)
              put(
                "project",
                attentions > 0 ? "query" : "projection",
                attentions > 0
                  ? "what it looks for in the source, all heads side by side; keys and values are the source's"
                  : y.size / tokens === 3 * width
                    ? "query, key and value of every head in one product"
                    : "a learned product of the whole row",
                y,
              );
          }
          return y;
        },
        binary: (go, kind, a, b) => {
          const y = go(kind, a, b);
          return kind === "add" ? sum(y) : y;
        },
      },
      () => model.compute(batchOf(model, result.trace.info), pass),
    ),
  );
  const first = stages.findIndex((s) => s.id === "attention");
  const products = stages.slice(0, Math.max(0, first)).filter((s) => s.id === "project");
  if (products.length === 3) {
    for (const [n, name] of ["query", "key", "value"].entries())
      Object.assign(products[n]!, {
        name,
        says: ["what it looks for, all heads side by side", "what it can be found by", "what it hands over"][n]!,
      });
  }
  // After the last block of a model that norms first stands one more norm, which is not the block's.
  const normsFirst = stages[1]?.id === "norm";
  const last = (normsFirst ? stages.findLast((s) => s.id === "add") : undefined) ?? stages.at(-1)!;
  const next = layer + 1 < layers || !normsFirst ? rowOf(states[layer + 1]!, tokens, at)! : undefined;
  const off =
    next && next.length === last.values.length
      ? Math.max(...next.map((x, i) => Math.abs(x - last.values[i]!)))
      : Number.NaN;
  return {
    layer,
    layers,
    ...(stack && { stack }),
    token: at,
    width,
    stages: stages.slice(0, stages.indexOf(last) + 1),
    off,
  } satisfies BlockShown;
};
