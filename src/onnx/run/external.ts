/**
 * @file Weights outside of the file: found, held to the folder of the model, handed to onnxruntime.
 *
 * A model may name any path. Only files inside its own folder are read, and no symbolic link that leads out of it: a
 * downloaded model is somebody else's words.
 */
import type { Graph, Model, TensorInfo } from "../proto/model.js";
import { refuse } from "../wire/refuse.js";

/** Weights outside of the file, by the path that the file gives: as onnxruntime takes them. */
export type ExternalFiles = readonly { path: string; data: Uint8Array }[];

/** Every file that a model names, with how many bytes of it are needed. */
export function externalFiles(model: Model): Map<string, number> {
  const out = new Map<string, number>();
  const add = ({ external }: TensorInfo): void => {
    if (!external) return;
    const needs = external.offset + (external.length ?? 0);
    out.set(external.location, Math.max(out.get(external.location) ?? 0, needs));
  };
  const walk = (graph: Graph): void => {
    for (const t of graph.initializers.values()) add(t);
    for (const node of graph.nodes) {
      for (const a of node.attributes.values()) {
        if (a.tensor) add(a.tensor);
        for (const inner of a.graphs ?? []) walk(inner);
      }
    }
  };
  walk(model.graph);
  return out;
}

/**
 * Checks that the files a model names are there, inside its folder and long enough (Node).
 * @returns the folder, when there are any
 * @throws {FileError} in one line
 */
export async function checkedFolder(model: Model, path: string): Promise<string | undefined> {
  const files = externalFiles(model);
  if (files.size === 0) return undefined;
  const { realpathSync, statSync } = await import("node:fs");
  const { dirname, isAbsolute, relative, resolve } = await import("node:path");
  const folder = dirname(resolve(path));
  const real = realpathSync(folder);
  const outside = (from: string, to: string): boolean => {
    const way = relative(from, to);
    return way.startsWith("..") || isAbsolute(way);
  };
  for (const [location, bytes] of files) {
    const name = JSON.stringify(location.slice(0, 120));
    const target = resolve(folder, location);
    if (isAbsolute(location) || outside(folder, target)) {
      refuse(path, `has weights in ${name}, outside of its folder`, "put the file beside the model and export it so");
    }
    let found: string;
    try {
      found = realpathSync(target);
    } catch {
      refuse(path, `has weights in ${name}, which is not there`, `put that file into ${folder}`);
    }
    if (outside(real, found)) {
      refuse(
        path,
        `has weights in ${name}, a link that leads out of its folder`,
        "put the file itself beside the model",
      );
    }
    const { size } = statSync(found);
    if (size < bytes)
      refuse(path, `needs ${bytes} bytes of ${name}, which has ${size}`, "the file is cut short; fetch it again");
  }
  return folder;
}

/** For a model given as bytes: whether every file it names was handed in. */
export function checkedFiles(model: Model, given: ExternalFiles): void {
  for (const [location, bytes] of externalFiles(model)) {
    const plain = (p: string): string => p.replace(/^\.\//, "");
    const file = given.find((f) => plain(f.path) === plain(location));
    const name = JSON.stringify(location.slice(0, 120));
    if (!file) {
      refuse(
        model.source.name,
        `has weights in ${name}, which was not handed in`,
        `openOnnx(bytes, { externalData: [{ path: ${name}, data }] }), or give the path of the model`,
      );
    }
    if (file.data.length < bytes)
      refuse(model.source.name, `needs ${bytes} bytes of ${name}, which has ${file.data.length}`);
  }
}
