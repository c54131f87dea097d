/** @file Every head of one kind of attention taken out in turn, and what becomes of what the model says. */
import { nextChange } from "./predict.js";
import type { Ablation, CallOptions, Edit, KindView, SweepResult } from "./protocol.js";
import type { Run } from "./runs.js";

export async function sweepHeads(
  run: Run,
  { layers, heads, kind }: KindView,
  output: Ablation,
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<SweepResult[]> {
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
        moved: change.moved?.mean ?? Number.NaN,
      });
      options.onProgress?.(results.length, layers.length * heads, "heads tried");
    }
  }
  return results;
}

/** A way of taking a head out, as an edit. */
const ablation = (how: Ablation): Pick<Edit, "output" | "mask"> =>
  how === "zero" || how === "mean" ? { output: how } : { mask: how };
