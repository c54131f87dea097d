/**
 * Every architecture with its matrices in half precision. Three things are held, each for f16 and bf16:
 *
 * 1. What is held are the file's weights, rounded to nearest.
 * 2. What is computed is the float32 computation with these rounded weights: a second model holds them as float32, on the
 *    path that equals Hugging Face to `tol_abs`, and every map, state, logit and step of generation agrees to the same
 *    `tol_abs`. So the half-precision kernels add nothing of their own.
 * 3. Against Hugging Face's float32 numbers only rounding is left, with u = 2⁻¹¹ for f16 and 2⁻⁸ for bf16 the largest
 *    relative error of a weight. Over all mantissas its root mean square is 0.42·u, so a product x·Wᵀ of many terms is off
 *    by 0.42·u of its size, errors of M matrices in a row add as √M, and the worst of thousands of numbers lies 5 standard
 *    deviations out:
 *        ε = 5 · 0.42 · u · √M
 *    M counts all matrices of the model, more than lie in a row. In a map p = softmax(s), |Δp| ≤ ½ max|Δs|, q and k are
 *    both off, and max|s| is at most R, the range of ln p within a row. States behind a map take its error on:
 *        maps   |Δ| ≤ tol_abs + ε·R/√2          states, scores   |Δ| ≤ tol_abs + ε·max(1, R/√2)·max|want|
 *    A file stored in this very form is exact: ε = 0.
 *
 * A greedy token must be Hugging Face's wherever its score leads by more than twice the error allowed.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadModel, type Model } from "../../src/models/index.js";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16, readSafetensors, type Tensor, type TensorLike } from "../../src/tensor/index.js";
import { expectClose, rowsOf } from "./compare.js";
import { type CaseFiles, compared, groupsOf, openCase, promptsOf } from "./model-cases.js";
import { goldenSets } from "./where.js";

type Half = "f16" | "bf16";
const roundoff = { f16: 2 ** -11, bf16: 2 ** -8 };
const rounded = {
  f16: (x: Float32Array): Float32Array => float16ToFloat32(float32ToFloat16(x)),
  bf16: (x: Float32Array): Float32Array => bfloat16ToFloat32(float32ToBfloat16(x)),
};

/** A model in half precision and one in float32 that holds what is left of its weights. */
async function both(path: string, weights: Half): Promise<{ half: Model; twin: Model; epsilon: number }> {
  const [half, twin] = [await loadModel(path, { weights }), await loadModel(path, { weights: "numbers" })];
  const own = new Map(twin.named());
  let [matrices, changed] = [0, false];
  for (const [name, p] of half.named()) {
    if (p.form !== weights) continue;
    const exact = own.get(name)!.copy().data;
    const short = p.copy();
    expect(short.data, name).toEqual(rounded[weights](exact));
    changed ||= short.data.some((x, i) => x !== exact[i]);
    own.get(name)!.set(short, "half", name);
    matrices++;
  }
  expect(matrices).toBeGreaterThan(5);
  return { half, twin, epsilon: changed ? 5 * 0.42 * roundoff[weights] * Math.sqrt(matrices) : 0 };
}

const largest = (x: TensorLike): number => (x.data as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** How far ln p reaches within a row of a map, of what is not hidden. */
function reach({ data, shape }: Tensor): number {
  const keys = shape.at(-1)!;
  let most = 0;
  for (let at = 0; at < data.length; at += keys) {
    const seen = data.subarray(at, at + keys).filter((p) => p > 0);
    if (seen.length > 0) most = Math.max(most, Math.log(Math.max(...seen) / Math.min(...seen)));
  }
  return most;
}

/** Forward of every group and generation, beside the twin and beside Hugging Face. */
function halfTests({ golden, tensors }: CaseFiles, { half, twin, epsilon }: Awaited<ReturnType<typeof both>>): void {
  const isMap = (name: string): boolean => name.includes("attentions.");
  const R = Math.max(...golden.names.filter(isMap).map((n) => reach(golden.tensor(n))));
  const size = (name: string, want: Tensor): number =>
    isMap(name) ? Math.SQRT1_2 * reach(want) : Math.max(1, Math.SQRT1_2 * R) * largest(want);
  test.each(groupsOf(golden))("%s: every map, state and output", (group) => {
    const same = compared({ model: twin, golden, tensors }, group);
    compared({ model: half, golden, tensors }, group).forEach(({ name, want, got, keep }, n) => {
      const { tol_abs } = tensors[name]!;
      expectClose(got, { data: same[n]!.got.data, shape: want.shape }, tol_abs, `${name} beside float32 with the same weights`, keep);
      expectClose(got, want, tol_abs + epsilon * size(name, want), name, keep);
    });
  });

  const generated = ["generate", "generate_leftpad"].filter((g) => golden.names.includes(`${g}.input_ids`));
  test.each(generated)("%s: every token and its scores", async (group) => {
    const scores = golden.tensor(`${group}.step_logits`); // [B, steps, V]
    const [B, steps, V] = scores.shape as [number, number, number];
    const want = rowsOf(golden, `${group}.sequences`).map((row) => row.slice(-steps));
    const options = { maxNewTokens: steps, temperature: 0, stop: [] };
    const { tol_abs } = tensors[`${group}.step_logits`]!;
    const allowed = tol_abs + epsilon * size("scores", scores);
    const prompts = promptsOf(golden, group);
    const others = twin.generate(prompts, options);
    const asTwin = prompts.map(() => true); // until a tie is decided the other way, after which the texts are others
    const asGolden = prompts.map(() => true);
    let held = 0;
    let n = 0;
    for await (const step of half.generate(prompts, options)) {
      const other = (await others.next()).value!;
      for (let b = 0; b < B; b++) {
        const row = (x: Tensor, at: number): TensorLike => ({ data: x.data.subarray(at * V, (at + 1) * V), shape: [V] });
        const [own, same, theirs] = [row(step.logits, b), row(other.logits, b), row(scores, b * steps + n)];
        if (asTwin[b]) {
          expectClose(own, same, tol_abs, `${group} text ${b} step ${n} beside float32 with the same weights`);
          if (lead(same) > 2 * tol_abs) expect(step.ids[b], `text ${b} step ${n}`).toBe(other.ids[b]);
          asTwin[b] = step.ids[b] === other.ids[b];
        }
        if (asGolden[b]) {
          expectClose(own, theirs, allowed, `${group} text ${b} step ${n}`);
          if (lead(theirs) > 2 * allowed) expect(step.ids[b], `text ${b} step ${n}`).toBe(want[b]![n]);
          asGolden[b] = step.ids[b] === want[b]![n];
          held++;
        }
      }
      n++;
    }
    expect(n).toBe(steps);
    expect(held).toBeGreaterThan(B);
  });
}

/** By how much the best score leads. */
function lead({ data }: TensorLike): number {
  const [first, second] = Float32Array.from(data as Float32Array).sort().slice(-2).reverse();
  return first! - second!;
}

const sets = ["t5", "llama", "mistral", "qwen2", "qwen3", "roberta", "distilbert", "bert", "gpt2", "starcoder2", "phi3", "gemma", "gemma2", "gemma3", "olmo2", "gpt-neox"];
for (const one of sets.flatMap(goldenSets)) {
  describe.each(["f16", "bf16"] as const)(`${one.id} as %s`, async (weights) => {
    halfTests(await openCase(one), await both(join(one.folder, "model"), weights));
  });
}

for (const { id, folder, about } of goldenSets("gguf").filter((c) => c.about.kind === "gguf-model")) {
  test.each(["f16", "bf16"] as const)(`${id} as %s: logits and maps`, async (weights) => {
    const { half, twin, epsilon } = await both(join(folder, "model.gguf"), weights);
    const golden = readSafetensors(readFileSync(join(folder, "golden.safetensors")));
    const run = (model: Model) => model.forward({ inputIds: rowsOf(golden, "input_ids") }, { trace: true });
    const [own, same] = [run(half), run(twin)];
    const check = (name: string, of: (r: typeof own) => Tensor, size: (want: Tensor) => number): void => {
      const { tol_abs } = about.tensors[name];
      const want = golden.tensor(name);
      expectClose(of(own), of(same), tol_abs, `${name} beside float32 with the same weights`);
      expectClose(of(own), want, tol_abs + epsilon * size(want), name);
    };
    const maps = golden.names.filter((n) => n.startsWith("attentions."));
    const R = Math.max(...maps.map((n) => reach(golden.tensor(n))));
    check("logits", (r) => r.logits!, (want) => Math.max(1, Math.SQRT1_2 * R) * largest(want));
    for (const name of maps) {
      check(name, (r) => r.trace.weights({ layer: Number(name.split(".")[1]) }), (want) => Math.SQRT1_2 * reach(want));
    }
  });
}
