/**
 * @file The logit lens: what the model would say if it stopped after a layer. Each hidden state goes through the last norm and
 * the word table. nostalgebraist 2020, "interpreting GPT: the logit lens".
 */
import { ops } from "../../kernels/index.js";
import type { Model } from "../../models/index.js";
import type { Trace } from "../../trace/index.js";
import { topOf } from "./predict.js";
import type { Guess } from "./protocol.js";
import { weightNamed } from "./weights.js";

export function lensRows(
  model: Model,
  trace: Trace,
  word: (id: number) => string,
  top: number,
): { layer: number; rows: Guess[][] }[] {
  const table = weightNamed(
    model,
    "lm_head.weight",
    "model.embed_tokens.weight",
    "transformer.wte.weight",
    "embed_tokens.weight",
    "wte.weight",
  );
  const norm = weightNamed(model, "model.norm.weight", "transformer.ln_f.weight", "norm.weight", "ln_f.weight");
  const bias = weightNamed(model, "transformer.ln_f.bias", "ln_f.bias");
  if (!table || !norm || trace.hiddenStates.length === 0) return [];
  const config = model.config as Record<string, number | undefined>;
  const epsilon = config["rms_norm_eps"] ?? config["layer_norm_epsilon"] ?? config["layer_norm_eps"] ?? 1e-5;
  const last = trace.hiddenStates.length - 1;
  return trace.hiddenStates.map((state, layer) => {
    const [, L] = state.shape as [number, number, number];
    // The last state is after the final norm already.
    const logits = ops().scope(() => {
      const x =
        layer === last
          ? state
          : bias
            ? ops().layerNorm(state, norm, bias, epsilon)
            : ops().rmsNorm(state, norm, epsilon);
      return ops().linear(x, table);
    });
    const V = logits.shape.at(-1)!;
    const rows = Array.from({ length: L }, (_, i) => topOf(logits.data.subarray(i * V, (i + 1) * V), { word }, top));
    return { layer, rows };
  });
}
