/** @file The machine under the measurements. */
import { availableParallelism, cpus, loadavg, release, type as system } from "node:os";
import type { Conditions } from "./question.js";

export function conditions(threads: number, runtime = `Node ${process.versions.node}`): Conditions {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    system: `${system()} ${release()}`,
    runtime,
    threads,
    load: Number(loadavg()[0]!.toFixed(1)),
    date: new Date().toISOString().slice(0, 16),
  };
}
