/** @file The command line and the code that make the picture on screen. */
import type { Choice } from "../state/choice.js";

/** Characters that a reader cannot see, or that turn the line around: written by number, in quotes that bash, zsh and ksh know. */
const unseen = /[\u0000-\u0009\u000b-\u001f\u007f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

/** A word for a POSIX shell. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!unseen.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const inside = text.replace(/['\\]/g, "\\$&").replaceAll("\n", "\\n");
  const all = new RegExp(unseen, "g");
  return `$'${inside.replace(all, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}'`;
}

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
