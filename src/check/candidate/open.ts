/** @file From what a person names on the command line to a candidate. */
import { existsSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { FileError } from "../../tensor/index.js";
import type { Candidate } from "./candidate.js";
import { openEndpoint } from "./http.js";
import { openModule } from "./process.js";
import { openProgram } from "./program.js";

const modules = /\.(js|mjs|cjs|ts|mts|cts|jsx|tsx)$/i;

/**
 * Opens a JavaScript or TypeScript module, a Python program, an HTTP endpoint, an ONNX file or a model's folder.
 * @param limit milliseconds a call may take
 * @throws {FileError} when it is none of them
 */
export async function openCandidate(target: string, limit: number): Promise<Candidate> {
  if (/^https?:\/\//.test(target)) return openEndpoint(target, limit);
  const file = resolve(target);
  const there = existsSync(file);
  if (there && statSync(file).isFile()) {
    if (modules.test(file)) return openModule(file, basename(file), limit);
    if (/\.py$/i.test(file)) return openProgram([process.env["PYTHON"] ?? "python3", file], basename(file), limit);
    if (/\.onnx$/i.test(file)) return (await import("./onnx.js")).openOnnxCandidate(file);
  }
  if (
    (there && statSync(file).isDirectory()) ||
    /\.gguf$/i.test(file) ||
    (!there && /^[\w.-]+(\/[\w.-]+)?$/.test(target) && !/\.\w{1,4}$/.test(target))
  ) {
    return (await import("./folder.js")).openModelCandidate(target);
  }
  throw new FileError({
    where: "check",
    argument: target,
    got: there ? "is of a kind that cannot be checked" : "is not there",
    expected: "a .js or .ts module, a .py program, an .onnx file, a model's folder or an http:// endpoint",
    fix: there ? 'for another program use --command "program arguments"' : "look at the path",
  });
}
