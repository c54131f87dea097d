/** @file A model's folder, hub id or GGUF file as a candidate: loaded by this library and then asked like any other. */
import type { ModelConfig } from "../types.js";
import type { Candidate } from "./candidate.js";

interface Loaded {
  config?: Record<string, unknown>;
  architecture?: string;
  forward(inputs: Record<string, unknown>): Record<string, unknown>;
}

const decoders = /gpt|llama|mistral|qwen|gemma|phi|smollm|falcon|opt|bloom|mixtral/i;

/** Loads a model and says how to ask it. */
export async function openModelCandidate(target: string): Promise<Candidate> {
  const { loadModel } = (await import("../../models/index.js")) as unknown as { loadModel(t: string): Promise<Loaded> };
  const model = await loadModel(target);
  const c = model.config ?? {};
  const name = String(c["model_type"] ?? c["modelType"] ?? model.architecture ?? "");
  const encoderDecoder = Boolean(c["is_encoder_decoder"] ?? c["isEncoderDecoder"] ?? /t5/i.test(name));
  const number = (...keys: string[]) => keys.map((k) => c[k]).find((x): x is number => typeof x === "number");
  const config: ModelConfig = {
    vocabSize: number("vocab_size", "vocabSize") ?? 100,
    causal: !encoderDecoder && decoders.test(name),
    ...(encoderDecoder ? { encoderDecoder } : {}),
    padTokenId: number("pad_token_id", "padTokenId") ?? 0,
  };
  const window = number("sliding_window", "slidingWindow");
  if (window !== undefined) config.slidingWindow = window;
  return {
    kind: "model",
    name: target,
    config,
    forward: async (inputIds, attentionMask, _past, extra) => {
      const decoder = extra?.["decoderIds"] as number[][] | undefined;
      const run = model.forward({
        inputIds,
        attentionMask,
        ...(decoder
          ? { decoderInputIds: decoder }
          : encoderDecoder
            ? { decoderInputIds: inputIds.map(() => [0]) }
            : {}),
      });
      const out =
        (decoder ? run["logits"] : encoderDecoder ? run["encoderLastHiddenState"] : undefined) ??
        run["logits"] ??
        run["lastHiddenState"] ??
        run["pooled"];
      const t = out as { data: Float32Array; shape: number[] };
      return { data: t.data.slice(), shape: [...t.shape] };
    },
  };
}
