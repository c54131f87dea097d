/** @file PyTorch in a Python process. QKV_PYTHON names the Python that has torch; default `python3`. */
import { fileURLToPath } from "node:url";
import type { Timed } from "../shared/question.js";
import { PeerProcess } from "./process.js";

let peer: PeerProcess | undefined;

/** @param files float32 operands, in the order pytorch.py names them */
export function pytorch(ask: Record<string, unknown>, files: readonly Float32Array[]): Promise<Timed> {
  peer ??= new PeerProcess({
    name: "PyTorch",
    command: process.env["QKV_PYTHON"] ?? "python3",
    args: [fileURLToPath(new URL("pytorch.py", import.meta.url))],
    absent: "no Python here (QKV_PYTHON names one that has torch)",
  });
  return peer.prepare(ask, files);
}
