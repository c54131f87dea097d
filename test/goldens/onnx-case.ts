/** @file One case of the ONNX goldens: its feeds, its expected maps and outputs, and how ours are held against them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AttentionKind } from "../../src/attention/listen.js";
import type { Feed, OnnxModel, OutputTensor } from "../../src/onnx/index.js";
import { readSafetensors, type Safetensors } from "../../src/tensor/index.js";
import type { Trace } from "../../src/trace/index.js";
import type { GoldenCase } from "./where.js";

/** What case.json says, as far as it is used. */
interface About {
  inputs: { name: string }[];
  outputs: { name: string; tol_abs: number }[];
  expected: Record<string, { layers: number; heads: number[] }>;
  maps: Record<string, { tol_abs: number }>;
  rows_without_key: Record<string, [number, number][]>;
  rows_after_a_row_without_key?: Record<string, [number, number][]>;
  must_not_report: { node: string }[];
  kinds_as_right?: Record<string, string[]>;
}

export interface OnnxCase {
  id: string;
  path: string;
  about: About;
  feeds: Record<string, Feed>;
  golden: Safetensors;
}

export function onnxCase({ id, folder, about }: GoldenCase): OnnxCase {
  const golden = readSafetensors(readFileSync(join(folder, "golden.safetensors")), id);
  const feeds = Object.fromEntries(
    (about as About).inputs.map(({ name }) => {
      const { data, shape } = golden.raw(`input.${name}`);
      return [name, { data, shape: [...shape] } as Feed];
    }),
  );
  return { id, path: join(folder, "model.onnx"), about: about as About, feeds, golden };
}

/** "attention.self.0" → kind and layer. */
const siteOf = (name: string): [string, number] => {
  const [, kind, layer] = name.split(".");
  return [kind!, Number(layer)];
};

/** The kind under which ours may stand: the golden's, or another that is as right. */
function kindOf(model: OnnxModel, about: About, kind: string): AttentionKind {
  const right = [kind, ...(about.kinds_as_right?.[kind] ?? [])];
  return (right.find((k) => model.attentions.some((a) => a.kind === k)) ?? kind) as AttentionKind;
}

/** Complaints about what was found; none when it is exactly what is expected. */
export function foundWrongly(model: OnnxModel, { about }: OnnxCase): string[] {
  const wrong: string[] = [];
  const expected = new Set(Object.entries(about.expected).flatMap(([kind, { layers }]) =>
    Array.from({ length: layers }, (_, layer) => `${kindOf(model, about, kind)}.${layer}`),
  ));
  const found = model.attentions.map((a) => `${a.kind}.${a.layer}`);
  for (const name of expected) if (!found.includes(name)) wrong.push(`${name} was not found`);
  for (const name of found) if (!expected.has(name)) wrong.push(`${name} was found and is none`);
  if (new Set(found).size !== found.length) wrong.push(`found twice: ${found.join(", ")}`);
  for (const { node } of about.must_not_report) {
    if (model.attentions.some((a) => a.tapped.startsWith(node))) wrong.push(`${node} is no attention`);
  }
  for (const [kind, { heads }] of Object.entries(about.expected)) {
    for (const a of model.attentions) {
      if (a.kind === kindOf(model, about, kind) && !heads.includes(a.heads!)) wrong.push(`${a.kind}.${a.layer} has ${a.heads} heads, not ${heads}`);
    }
  }
  return wrong;
}

/** Complaints about maps: the largest difference beyond its tolerance, and rows without a key that were not reported. */
export function mapsWrong(model: OnnxModel, trace: Trace, { about, golden }: OnnxCase): string[] {
  const wrong: string[] = [];
  for (const [name, { tol_abs }] of Object.entries(about.maps)) {
    const [goldenKind, layer] = siteOf(name);
    const kind = kindOf(model, about, goldenKind);
    const ours = trace.weights({ kind, layer });
    const theirs = golden.tensor(name);
    const empty = about.rows_without_key[name] ?? [];
    const skip = new Set([...empty, ...(about.rows_after_a_row_without_key?.[name] ?? [])].map(String));
    if (ours.shape.join() !== theirs.shape.join()) {
      wrong.push(`${name} has shape [${ours.shape}], not [${theirs.shape}]`);
      continue;
    }
    const [, H, Tq, Tk] = ours.shape as [number, number, number, number];
    let [worst, at] = [0, ""];
    for (let i = 0; i < ours.size; i++) {
      const [b, q] = [Math.floor(i / (H * Tq * Tk)), Math.floor(i / Tk) % Tq];
      if (skip.has(`${b},${q}`)) continue;
      const d = Math.abs(ours.data[i]! - theirs.data[i]!);
      if (!(d <= worst)) [worst, at] = [d, `[b=${b} h=${Math.floor(i / (Tq * Tk)) % H} q=${q} k=${i % Tk}]`];
    }
    if (!(worst <= tol_abs)) wrong.push(`${name} ${at}: |Δ| ${worst.toExponential(1)} > ${tol_abs}`);
    const reported = trace.emptyRows({ kind, layer }).map(String).sort();
    if (reported.join(" ") !== empty.map(String).sort().join(" ")) wrong.push(`${name}: rows without a key ${reported.join(" ") || "none"}, not ${empty.join(" ") || "none"}`);
  }
  return wrong;
}

/** Complaints about the ordinary outputs. Rows of texts and queries that see no key are not compared. */
export function outputsWrong(outputs: Record<string, OutputTensor>, { about, golden }: OnnxCase): string[] {
  const empty = new Set([...Object.values(about.rows_without_key), ...Object.values(about.rows_after_a_row_without_key ?? {})].flat().map(String));
  const wrong: string[] = [];
  for (const { name, tol_abs } of about.outputs) {
    const ours = outputs[name];
    const theirs = golden.tensor(`output.${name}`);
    if (ours?.shape.join() !== theirs.shape.join()) {
      wrong.push(`${name} has shape [${ours?.shape}], not [${theirs.shape}]`);
      continue;
    }
    const [, T = 1] = theirs.shape;
    const width = theirs.size / (theirs.shape[0]! * T);
    let worst = 0;
    theirs.data.forEach((x, i) => {
      if (empty.size > 0 && theirs.shape.length === 3 && empty.has(`${Math.floor(i / (T * width))},${Math.floor(i / width) % T}`)) return;
      const d = Math.abs(Number(ours.data[i]) - x);
      if (!(d <= worst)) worst = d;
    });
    if (!(worst <= tol_abs)) wrong.push(`output ${name}: |Δ| ${worst.toExponential(1)} > ${tol_abs}`);
  }
  return wrong;
}
