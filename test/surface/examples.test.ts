/**
 * @file The examples in docstrings run. A line `expression  // value` is a claim: the value is compared, an array or
 * tensor data by its numbers. Rooms whose examples need a model, a file or the network are shown, not run.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { type SourceFile, source, sourceFiles } from "./sources.js";

const rooms = ["tensor", "kernels", "attention", "nn", "autograd"];

/** The @example blocks of a file, without the stars. */
function examples({ path, text }: SourceFile): { path: string; line: number; code: string }[] {
  return [...text.matchAll(/^[ \t]*\* @example.*\n((?:[ \t]*\*(?! @|\/).*\n)*)/gm)].map((m) => ({
    path,
    line: text.slice(0, m.index).split("\n").length + 1,
    code: m[1].replace(/^[ \t]*\* ?/gm, ""),
  }));
}

const CLAIM = /^(?!(?:const|let|import|for|if|while)\b)(\S.*?)\s+\/\/ (.+)$/;

/** Statements stay, claims become calls of `claim(got, want, text)`. */
function program(code: string): string {
  const lines = code.split("\n").map((line) => {
    const [, expression, value] = CLAIM.exec(line) ?? [];
    if (expression === undefined) return line;
    return `claim(${expression.replace(/;$/, "")}, () => (${value.startsWith("[") || !value.includes(",") || /^["{]/.test(value) ? value : `[${value}]`}), ${JSON.stringify(line)});`;
  });
  return ts.transpileModule(lines.join("\n"), { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText;
}

/** Everything the rooms export, by name: what an example may use without saying where it is from. */
async function surface(path: string): Promise<Record<string, unknown>> {
  const folders = [...rooms, "attention/efficient"].filter((r) => readdirSync(source).includes(r.split("/")[0]));
  const files = [...folders.map((r) => join(source, r, "index.ts")), join(source, path)];
  const modules = await Promise.all(files.map((f) => import(/* @vite-ignore */ pathToFileURL(f).href)));
  return Object.assign({}, ...modules);
}

const plain = (x: unknown): unknown => (ArrayBuffer.isView(x) ? Array.from(x as Float32Array) : x);

const found = sourceFiles()
  .filter(({ path }) => rooms.includes(path.split("/")[0]))
  .flatMap(examples);

test("there are examples with claims", () =>
  expect(found.filter((e) => /\/\/ /.test(e.code)).length).toBeGreaterThan(10));

describe("examples", () => {
  test.each(found)("src/$path:$line", async ({ path, code }) => {
    const names = await surface(path);
    const usable = Object.entries(names).filter(([name]) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== "default");
    const claim = (got: unknown, want: () => unknown, line: string): void => expect(plain(got), line).toEqual(want());
    const body = program(code);
    const AsyncFunction = (async () => {}).constructor as new (...a: string[]) => (...a: unknown[]) => Promise<void>;
    const run = new AsyncFunction("claim", ...usable.map(([name]) => name), body);
    await run(claim, ...usable.map(([, value]) => value));
  });
});
