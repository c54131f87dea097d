/**
 * @file An ONNX file as a candidate: an attention (float inputs of rank 4 and one output of rank 4), or a whole model
 * (input_ids and attention_mask).
 */
import { FileError } from "../../tensor/index.js";
import type { ModelConfig } from "../types.js";
import type { Candidate } from "./candidate.js";

interface Port {
  name: string;
  type?: string;
  shape?: readonly (number | string | null)[];
}
type Fed = { data: ArrayLike<number> | BigInt64Array; shape: number[] };
interface Opened {
  inputs: Port[] | Record<string, Port>;
  outputs: Port[] | Record<string, Port>;
  run(
    feeds: Record<string, Fed>,
    options?: object,
  ): Promise<{ outputs: Record<string, { data: ArrayLike<number>; shape: number[] }> }>;
}

const list = (ports: Opened["inputs"]): Port[] =>
  Array.isArray(ports) ? ports : Object.entries(ports).map(([name, p]) => ({ ...p, name }));

/** Opens an ONNX file through onnxruntime. @throws {FileError} when it is neither an attention nor a model of token ids */
export async function openOnnxCandidate(file: string): Promise<Candidate> {
  const { openOnnx } = (await import("../../onnx/index.js")) as unknown as {
    openOnnx(f: string, o: object): Promise<Opened>;
  };
  const opened = await openOnnx(file, { session: { logSeverityLevel: 4 } }); // what fails is thrown: no need to print it too
  const [inputs, outputs] = [list(opened.inputs), list(opened.outputs)];
  const named = (pattern: RegExp) => inputs.find((p) => pattern.test(p.name))?.name;
  const first = outputs[0]!.name;
  const ids = named(/input_?ids|^ids$|tokens/i);
  if (ids) {
    const mask = named(/attention_?mask/i);
    const types = named(/token_?type/i);
    const positions = named(/position_?ids/i);
    const past = inputs.filter((p) => /past/i.test(p.name) && /float/i.test(p.type ?? "float"));
    const present = outputs.filter((p) => /present/i.test(p.name)).map((p) => p.name);
    const cached = past.length > 0 && past.length === present.length;
    const integers = (rows: number[][]): Fed => ({
      data: BigInt64Array.from(rows.flat(), (n) => BigInt(n)),
      shape: [rows.length, rows[0]?.length ?? 0],
    });
    const forward = async (rows: number[][], attentionMask: number[][], earlier?: unknown) => {
      const before = earlier as Fed[] | undefined;
      const feeds: Record<string, Fed> = { [ids]: integers(rows) };
      if (mask) feeds[mask] = integers(attentionMask);
      if (types) feeds[types] = integers(rows.map((r) => r.map(() => 0)));
      if (positions) feeds[positions] = integers(attentionMask.map((m, b) => cumulative(m).slice(-rows[b]!.length)));
      if (cached) for (const [n, p] of past.entries()) feeds[p.name] = before?.[n] ?? noKeys(p, rows.length);
      const { outputs: out } = await opened.run(feeds);
      return cached ? { logits: out[first], past: present.map((name) => out[name]) } : out[first];
    };
    const config: ModelConfig = {
      vocabSize: await vocabulary(forward),
      ...(past.length > 0 || present.length > 0 ? { causal: true } : {}),
      ...(positions ? {} : { takesPositions: false }),
      ...(fixed(inputs.find((p) => p.name === ids)!) && { onlyShape: fixed(inputs.find((p) => p.name === ids)!) }),
    };
    return {
      kind: "model",
      name: file,
      config,
      runtime: "onnxruntime",
      forward,
    };
  }
  const floats = inputs.filter((p) => p.type === undefined || /float/i.test(p.type));
  const [q, k, v] = floats.map((p) => p.name);
  if (q && k && v) {
    const mask = named(/mask/i);
    return {
      kind: "function",
      name: file,
      runtime: "onnxruntime",
      call: async (a, b, c, options) => {
        const unknown = Object.keys(options).filter((o) => o !== "mask" || !mask);
        if (unknown.length > 0) throw new Error(`the graph has no input for ${unknown.join(", ")}`);
        const feeds: Record<string, Fed> = { [q]: a, [k]: b, [v]: c };
        if (mask && options.mask) feeds[mask] = options.mask;
        return (await opened.run(feeds)).outputs[first];
      },
    };
  }
  throw new FileError({
    where: "check",
    argument: file,
    got: `has the inputs ${inputs.map((p) => p.name).join(", ")}`,
    expected: "q, k and v, or input_ids and attention_mask",
    fix: "export the graph with one of these sets of inputs",
  });
}

/** "[2, 7]" for an input whose batch or length an export has fixed: other texts cannot be put to it. */
const fixed = ({ shape = [] }: Port): string | undefined =>
  shape.some((n) => typeof n === "number") ? `[${shape.map((n) => n ?? "?").join(", ")}]` : undefined;

/** Keys or values of no token: [B, heads, 0, D]. */
const noKeys = ({ shape = [] }: Port, batch: number): Fed => ({
  data: new Float32Array(0),
  shape: shape.map((n, axis) => (axis === 0 ? batch : typeof n === "number" && axis !== 2 ? n : 0)),
});

/** Positions of real tokens: cumsum(mask) − 1, never below 0. */
const cumulative = (mask: number[]): number[] => {
  let n = 0;
  return mask.map((m) => Math.max(0, (n += m) - 1));
};

/**
 * How many ids a graph knows. It does not say so, but onnxruntime does when it is asked for one that is out of bounds
 * ("inclusive range [-97,96]"); without such an answer 64 ids are few enough for any model.
 */
async function vocabulary(forward: (ids: number[][], mask: number[][]) => Promise<unknown>): Promise<number> {
  try {
    await forward([[2 ** 24, 1]], [[1, 1]]);
  } catch (error) {
    const bound = /inclusive range \[-\d+,\s*(\d+)\]/.exec(String((error as Error).message));
    if (bound) return Number(bound[1]) + 1;
  }
  return 64;
}
