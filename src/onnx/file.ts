/** @file A file looked into, and a copy of it with its attention as outputs, piece by piece (Node). */
import { findAttention } from "./find/find.js";
import { inlined } from "./proto/inline.js";
import { readModel } from "./proto/read.js";
import { exposure, type ExposeOptions } from "./edit/expose.js";
import { OnnxModel, openFile } from "./run/open.js";
import type { AttentionInfo, PortInfo } from "./run/told.js";
import { checkedFolder } from "./run/external.js";
import { planEdits } from "./wire/splice.js";

/**
 * What attention a file has. Weights are not read; those outside of it have to be where it says.
 * @throws {FileError} in one line, for what is no ONNX model or names weights that are not where they should be
 */
export async function inspectOnnx(
  path: string,
): Promise<{ attentions: AttentionInfo[]; inputs: PortInfo[]; outputs: PortInfo[]; softmaxes: number }> {
  const source = await openFile(path);
  try {
    const model = inlined(readModel(source));
    const folder = await checkedFolder(model, path);
    const { attentions, inputs, outputs, softmaxes } = new OnnxModel(model, path, folder, {});
    return { attentions, inputs, outputs, softmaxes };
  } finally {
    source.close();
  }
}

/** A stretch of the old file is copied in steps, so that a file of any size needs this much memory. */
const step = 4 * 1024 * 1024;

/**
 * Writes a copy of a file that gives its attention as outputs. Weights outside of the file are not copied: put the copy
 * beside them.
 * @returns the names of the outputs added; none when there is no attention, and then the copy is the same
 */
export async function writeExposed(from: string, to: string, options: ExposeOptions = {}): Promise<string[]> {
  const source = await openFile(from);
  const { closeSync, openSync, renameSync, rmSync, writeSync } = await import("node:fs");
  // Written under another name first: a copy that fails half-way leaves nothing that looks whole.
  const part = `${to}.part`;
  try {
    const model = inlined(readModel(source));
    const { sites, root } = findAttention(model);
    const added: string[] = [];
    const edits = exposure(model, root, sites, options, added);
    const out = openSync(part, "w");
    try {
      const base = edits.length > 0 ? model.source : source; // a file without attention stays as it is
      for (const piece of planEdits(base.size, edits).pieces) {
        if (piece instanceof Uint8Array) writeSync(out, piece);
        else
          for (let at = piece.from; at < piece.to; at += step)
            writeSync(out, base.read(at, Math.min(piece.to, at + step)));
      }
    } finally {
      closeSync(out);
    }
    renameSync(part, to);
    return added;
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    source.close();
  }
}
