/** @file Golden cases of whole models: every map, state, logit, generated token and gradient. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadModel, type Model, type ModelInputs } from "../../src/models/index.js";
import { readSafetensors, type Safetensors, type Tensor, type TensorLike } from "../../src/tensor/index.js";
import { expectClose, type GoldenTensor, rowsOf } from "./compare.js";
import type { GoldenCase } from "./where.js";

const inputNames: Readonly<Record<string, keyof ModelInputs>> = {
  input_ids: "inputIds",
  attention_mask: "attentionMask",
  position_ids: "positionIds",
  token_type_ids: "tokenTypeIds",
  decoder_input_ids: "decoderInputIds",
  decoder_attention_mask: "decoderAttentionMask",
};

export interface CaseFiles {
  model: Model;
  golden: Safetensors;
  tensors: Record<string, GoldenTensor>;
}

export async function openCase({ folder, about }: GoldenCase): Promise<CaseFiles> {
  const model = await loadModel(join(folder, "model"));
  return { model, golden: readSafetensors(readFileSync(join(folder, "golden.safetensors"))), tensors: about.tensors };
}

/** Inputs of one group ("leftpad"). */
export function inputsOf(golden: Safetensors, group: string): ModelInputs {
  const inputs: Partial<ModelInputs> = {};
  for (const [name, key] of Object.entries(inputNames)) {
    if (golden.names.includes(`${group}.${name}`)) inputs[key] = rowsOf(golden, `${group}.${name}`);
  }
  return inputs as ModelInputs;
}

/** Rows that see at least one key; of the others Hugging Face gives what softmax makes of equal huge numbers. */
function seeingRows(mask: number[][] | undefined, causal: boolean, window: number | undefined): (b: number, i: number) => boolean {
  if (!mask) return () => true;
  return (b, i) => {
    const row = mask[b]!;
    if (!causal) return row.includes(1);
    return row.slice(window === undefined ? 0 : Math.max(0, i - window + 1), i + 1).includes(1);
  };
}

/** A number of the golden data beside what the model gives, and which places are compared. */
interface Compared {
  name: string;
  want: Tensor;
  got: TensorLike;
  keep: ((index: number[]) => boolean) | undefined;
}

/** Inputs in a case's golden data: "right", "leftpad" … */
export function groupsOf(golden: Safetensors): string[] {
  const skip = new Set(["generate", "generate_leftpad", "grad", "relative_bias", "relative_buckets"]);
  return [...new Set(golden.names.map((n) => n.split(".")[0]!))].filter((g) => !skip.has(g));
}

/** Every map, state and output of one group. @param skipped  names that are left out */
export function compared({ model, golden, tensors }: CaseFiles, group: string, skipped?: RegExp): Compared[] {
  const inputs = inputsOf(golden, group);
  const run = model.forward(inputs, { trace: { hiddenStates: true } });
  const mask = inputs.attentionMask as number[][] | undefined;
  const window = model.config["sliding_window"] as number | null | undefined;
  const sees = seeingRows(mask, model.family === "decoder", window ?? undefined);
  const decoderMask = inputs.decoderAttentionMask as number[][] | undefined;
  const seesDecoder = seeingRows(decoderMask, true, undefined);
  const all: Compared[] = [];
  for (const name of golden.names) {
    const [g, kind, index] = name.split(".") as [string, string, string | undefined];
    if (g !== group || tensors[name]?.role !== "expected" || skipped?.test(name)) continue;
    const layer = Number(index);
    const want = golden.tensor(name);
    const check = (got: TensorLike, rowAxis?: number, row = sees): void => {
      all.push({ name, want, got, keep: rowAxis === undefined ? undefined : (i) => row(i[0]!, i[rowAxis]!) });
    };
    if (kind === "attentions") check(run.trace.weights({ layer }), 2);
    else if (kind === "encoder_attentions") check(run.trace.weights({ layer, kind: "encoder" }), 2);
    else if (kind === "decoder_attentions") check(run.trace.weights({ layer, kind: "decoder" }), 2, seesDecoder);
    else if (kind === "cross_attentions") check(run.trace.weights({ layer, kind: "cross" }), 2, seesDecoder);
    else if (kind === "hidden_states") check(run.trace.hiddenStates[layer]!, 1);
    else if (kind === "encoder_hidden_states") check(run.trace.encoderHiddenStates[layer]!, 1);
    else if (kind === "decoder_hidden_states") check(run.trace.decoderHiddenStates[layer]!, 1, seesDecoder);
    else if (kind === "last_hidden_state") check(run.lastHiddenState, 1);
    else if (kind === "encoder_last_hidden_state") check(run.encoderLastHiddenState!, 1);
    else if (kind === "pooler_output") check(run.pooled!);
    else if (kind === "logits") check(run.logits!, want.shape.length === 3 ? 1 : undefined, decoderMask ? seesDecoder : model.family === "encoder-decoder" ? () => true : sees);
    else if (kind !== "module" && kind !== "cache") expect.fail(`nothing is compared with ${name}`);
  }
  expect(all.length).toBeGreaterThan(3);
  return all;
}

/** Tests of forward, one a group. */
export function forwardTests(files: CaseFiles): void {
  test.each(groupsOf(files.golden))("%s: every map, state and output", (group) => {
    for (const { name, want, got, keep } of compared(files, group)) expectClose(got, want, files.tensors[name]!.tol_abs, name, keep);
  });
}

/** Prompts of a generation group, without padding. */
export function promptsOf(golden: Safetensors, group: string): number[][] {
  const mask = golden.names.includes(`${group}.attention_mask`) ? rowsOf(golden, `${group}.attention_mask`) : undefined;
  return rowsOf(golden, `${group}.input_ids`).map((row, b) => row.filter((_, i) => mask?.[b]?.[i] !== 0));
}

/** Tests of cached and uncached generation. */
export function generateTests({ model, golden, tensors }: CaseFiles): void {
  const groups = ["generate", "generate_leftpad"].filter((g) => golden.names.includes(`${g}.input_ids`));
  test.each(groups.flatMap((g) => [[g, true] as const, [g, false] as const]))("%s, cache %s: every token and its scores", async (group, cache) => {
    const prompts = promptsOf(golden, group);
    const want = rowsOf(golden, `${group}.sequences`);
    const scores = golden.tensor(`${group}.step_logits`); // [B, steps, V]
    const [B, steps, V] = scores.shape as [number, number, number];
    const got: number[][] = prompts.map(() => []);
    let n = 0;
    for await (const step of model.generate(prompts, { maxNewTokens: steps, temperature: 0, stop: [], cache })) {
      step.ids.forEach((id, b) => got[b]!.push(id));
      for (let b = 0; b < B; b++) {
        const row = scores.data.subarray((b * steps + n) * V, (b * steps + n + 1) * V);
        const own = step.logits.data.subarray(b * V, (b + 1) * V);
        const { tol_abs } = tensors[`${group}.step_logits`]!;
        expectClose({ data: own, shape: [V] }, { data: row, shape: [V] }, tol_abs, `${group} text ${b} step ${n}`);
      }
      n++;
    }
    expect(got).toEqual(want.map((row) => row.slice(-steps)));
  });
}

/** Tests of the loss and its gradients. */
export function gradientTests({ model, golden, tensors }: CaseFiles): void {
  if (!golden.names.includes("grad.loss")) return;
  test("loss and the gradient of every weight", () => {
    const loss = model.loss({ ...inputsOf(golden, "grad"), labels: rowsOf(golden, "grad.labels") });
    const tolerance = (name: string): number => tensors[name]!.tol_abs_f32_impl ?? tensors[name]!.tol_abs;
    expectClose({ data: [loss.value], shape: [1] }, golden.tensor("grad.loss"), tolerance("grad.loss"), "loss");
    const gradients = loss.backward();
    const names = golden.names.filter((n) => n.startsWith("grad.d."));
    expect(Object.keys(gradients).sort()).toEqual(names.map((n) => n.slice("grad.d.".length)).sort());
    for (const name of names) {
      expectClose(gradients[name.slice("grad.d.".length)]!, golden.tensor(name), tolerance(name), name);
    }
  });
}
