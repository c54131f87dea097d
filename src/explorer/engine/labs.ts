/**
 * @file Calls that pages of the labs and chapters bring with them. Add yours here: a name and a function that gets what the
 * page sent, progress and cancelling, and the engine's models and runs. Import what is heavy inside the function.
 */
import type { CallOptions, Edit, KindView, RunView } from "./protocol.js";
import type { RunResult, Source } from "./sources.js";

export interface LabContext {
  /** Lets other messages in; await it at least every 30 ms of work. */
  breathe(): Promise<void>;
  source(id: string): Promise<Source>;
  run(id: number): { result: RunResult; source: Source; text: string; edits: Edit[]; kinds: KindView[] };
  /** Keeps a result that was not asked for by `run`, as a run that every view can look at. */
  keep(source: Source, result: RunResult): RunView;
}
export type LabCall = (
  asked: unknown,
  options: CallOptions & { onStep?: (step: unknown) => void },
  context: LabContext,
) => Promise<unknown>;

/** Imported when first asked for. */
const later =
  (load: () => Promise<LabCall>): LabCall =>
  async (asked, options, context) =>
    (await load())(asked, options, context);

export const labs: Record<string, LabCall> = {
  gotcha: later(async () => (await import("./gotcha.js")).gotcha),
  play: later(async () => (await import("./play.js")).play),
  sequence: later(async () => (await import("./sequence.js")).sequence),
  forming: later(async () => (await import("./sequence.js")).forming),
  slopes: later(async () => (await import("./sequence.js")).slopes),
  taskRow: later(async () => (await import("./sequence.js")).taskRow),
  efficient: later(async () => (await import("./efficient.js")).efficient),
  efficientTimes: later(async () => (await import("./efficient-times.js")).efficientTimes),
  block: later(async () => (await import("./block.js")).block),
  checklist: later(async () => (await import("./checklist.js")).checklist),
  reference: later(async () => (await import("./reference.js")).reference),
  path: later(async () => (await import("./path.js")).path),
  corpus: later(async () => (await import("./corpus.js")).corpus),
  finder: later(async () => (await import("./finder.js")).finder),
  positional: later(async () => (await import("./positional.js")).positional),
  lensPath: later(async () => (await import("./lens-path.js")).lensPath),
  circuit: later(async () => (await import("./circuits.js")).circuit),
  rotary: later(async () => (await import("./rotary.js")).rotary),
  strip: later(async () => (await import("./strip.js")).strip),
  alignment: later(async () => (await import("./alignment.js")).alignment),
  recompute: later(async () => (await import("./recompute.js")).recompute),
  generated: later(async () => (await import("./generated.js")).generated),
  scale: later(async () => (await import("./chapter-numbers.js")).scale),
  resting: later(async () => (await import("./chapter-numbers.js")).resting),
  stream: later(async () => (await import("./play.js")).stream),
};
