/** @file The library's own source files, as the surface tests read them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { root } from "../goldens/where.js";

export const source: string = join(root, "src");

export interface SourceFile {
  /** Below src, with slashes: "attention/rule.ts". */
  path: string;
  text: string;
}

/** Every TypeScript file below src, tests and generated files apart. */
export function sourceFiles(): SourceFile[] {
  return readdirSync(source, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith(".ts") && !/\.(test|generated)\.ts$/.test(e.name))
    .map((e) => join(e.parentPath, e.name))
    .map((file) => ({ path: relative(source, file).split(sep).join("/"), text: readFileSync(file, "utf8") }))
    .filter(({ path }) => !path.startsWith("kernels/wasm/assembly/")); // another language: AssemblyScript
}
