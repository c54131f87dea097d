/** @file A model's folder, hub id or GGUF file as a candidate: loaded by this library and then asked like any other. */
import type { Candidate } from "./candidate.js";

/** Loads a model and says how to ask it. */
export async function openModelCandidate(target: string): Promise<Candidate> {
  const [{ loadModel }, { candidateOf }] = await Promise.all([import("../../models/index.js"), import("./loaded.js")]);
  const { config, forward } = candidateOf(await loadModel(target));
  return { kind: "model", name: target, config, forward: async (...call) => forward(...call) };
}
