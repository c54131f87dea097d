/** @file Every head taken out in turn, and what becomes of the next word. */
import { nextChange } from "./predict.js";
import type { Ablation, CallOptions, Edit, SweepResult } from "./protocol.js";
import type { Run } from "./runs.js";

export async function sweepHeads(
  run: Run,
  output: Ablation,
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<SweepResult[]> {
  const { layers, heads, kind } = run.kinds[0]!;
  const results: SweepResult[] = [];
  for (const layer of layers) {
    for (let head = 0; head < heads; head++) {
      await breathe();
      options.signal?.throwIfAborted();
      const result = await run.source.run(run.text, [...run.edits, { kind, layer, head, ...ablation(output) }]);
      const change = nextChange(run, { ...run, result });
      results.push({
        layer,
        head,
        kl: change.kl,
        target: change.target ? change.target.after - change.target.before : 0,
        loss: (change.lossAfter ?? 0) - (change.lossBefore ?? 0),
      });
      options.onProgress?.(results.length, layers.length * heads, "heads tried");
    }
  }
  return results;
}

/** A way of taking a head out, as an edit. */
const ablation = (how: Ablation): Pick<Edit, "output" | "mask"> =>
  how === "zero" || how === "mean" ? { output: how } : { mask: how };
