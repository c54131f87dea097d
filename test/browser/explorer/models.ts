/** @file Small models of every architecture, from the goldens, for pages that open them. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { golden } from "../../goldens/where.js";

/** The first case of a set that has a model. */
const modelOf = (set: string, wanted = /./): string => {
  const folder = golden(set)!;
  const name = readdirSync(folder).sort().find((n) => wanted.test(n) && !n.includes(".")); // biome-ignore format: one question
  return join(folder, name!);
};

export function openGoldenModel(): { folders: Record<string, string>; onnx: string } {
  const folders = Object.fromEntries(
    ["bert", "gpt2", "llama", "t5", "distilbert"].map((set) => [set, join(modelOf(set), "model")]),
  );
  const gguf = modelOf("gguf", /llama-f32/);
  const file = readdirSync(gguf).find((f) => f.endsWith(".gguf"))!;
  return {
    folders: { ...folders, gguf: join(gguf, file) },
    onnx: join(golden("onnx-models/bert-torchscript-op17-sdpa")!, "model.onnx"),
  };
}
