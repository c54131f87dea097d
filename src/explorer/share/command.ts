/** @file The command line and the code that make the picture on screen. */
import type { Choice } from "../state/choice.js";

/** A word for a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

export function commandLine(choice: Choice, model: string, layer: number, head: number): string {
  return `qkv view ${shellWord(model)} ${shellWord(choice.text)} --layer ${layer} --head ${head}${choice.kind && choice.kind !== "self" ? ` --kind ${choice.kind}` : ""}`;
}

export function snippet(choice: Choice, model: string, layer: number, head: number): string {
  const kind = choice.kind && choice.kind !== "self" ? `, kind: ${JSON.stringify(choice.kind)}` : "";
  const edits = choice.edits.length > 0 ? `, edit: ${JSON.stringify(choice.edits)}` : "";
  return `import { loadModel } from "qkv/models";

const model = await loadModel(${JSON.stringify(model)});
const { trace } = model.read(${JSON.stringify(choice.text)}, { trace: true${edits} });
trace.weights({ layer: ${layer}, head: ${head}${kind} }); // [1, 1, queries, keys]`;
}
