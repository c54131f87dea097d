/**
 * @file Data flows one way: text → tokens → tensors → attention → trace → view. An import may only point back along
 * that line.
 */
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { type SourceFile, sourceFiles } from "./sources.js";

const core = ["tensor", "kernels", "attention"];
const toTrace = [...core, "trace"];
const toModels = [...toTrace, "text", "nn", "autograd", "models"];

/** What each room may import, itself apart. */
const arrows: Record<string, readonly string[]> = {
  tensor: [],
  text: ["tensor"],
  kernels: ["tensor"],
  attention: ["tensor", "kernels"],
  trace: core,
  nn: core,
  autograd: ["tensor", "kernels"],
  models: toModels,
  training: toModels,
  onnx: [...toTrace, "text"], // a graph reads text with the tokenizer beside it
  check: [...toModels, "onnx"],
  survey: [...toModels, "onnx"],
  explorer: toTrace,
  cli: [...toModels, "training", "onnx", "check", "survey", "explorer"],
  "": core, // src/index.ts, the subpath "."
};
/** Runs off the page's thread, in the Web Worker, where the whole library may be. */
const isWorker = (path: string): boolean => /^explorer\/engine\/(?!client|protocol|kinds|tokens|groups)/.test(path);

const roomOf = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "");

/** The rooms a file imports from, by any form of import, with the path as written. */
function imported({ path, text }: SourceFile): { room: string; as: string }[] {
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g)].map((m) => m[1]);
  return specifiers.map((as) => ({ room: roomOf(posix.join(posix.dirname(path), as)), as }));
}

/** Worker code that a page would pull into its own thread: all of engine/ but the client, the types and what only describes a trace (kinds, tokens, groups). */
function pulledIn({ path, text }: SourceFile): string[] {
  if (!path.startsWith("explorer/") || isWorker(path)) return [];
  return [...text.matchAll(/^import (?!type\b)[^;]*?from "(\.{1,2}\/[^"]+)";/gm)]
    .filter((m) => isWorker(posix.join(posix.dirname(path), m[1])))
    .map((m) => `the page may not import the worker's code (${path}: "${m[1]}")`);
}

/** The arrows of a file that point forward, as sentences. */
function forbidden(file: SourceFile): string[] {
  const room = roomOf(file.path);
  if (isWorker(file.path)) return [];
  return imported(file)
    .filter((i) => i.room !== room && !arrows[room]?.includes(i.room))
    .map((i) => `${room || "index.ts"}/ may not import ${i.room || "index.ts"}/ (${file.path}: "${i.as}")`);
}

describe("imports point back along the line of data", () => {
  const files = sourceFiles();
  const rooms = [...new Set(files.map((f) => roomOf(f.path)))];
  test("every room is in the list", () => expect(rooms.filter((r) => !(r in arrows))).toEqual([]));
  test.each(rooms.map((room) => ({ room: room || "index.ts" })))("$room", ({ room }) => {
    const mine = files.filter((f) => (roomOf(f.path) || "index.ts") === room);
    expect([...mine.flatMap(forbidden), ...mine.flatMap(pulledIn)]).toEqual([]);
  });
  test("a forward import is found, in every form", () => {
    const text =
      'import { a } from "../trace/trace.js";\nexport * from "./rule.js";\nconst b = await import("../models/bert.js");\nimport type { T } from "../tensor/index.js";';
    expect(forbidden({ path: "attention/rule.ts", text })).toEqual([
      'attention/ may not import trace/ (attention/rule.ts: "../trace/trace.js")',
      'attention/ may not import models/ (attention/rule.ts: "../models/bert.js")',
    ]);
  });
});
