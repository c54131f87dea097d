/**
 * @file Calls that pages of the labs and chapters bring with them. Add yours here: a name and a function that gets what the
 * page sent, progress and cancelling, and the engine's models and runs. Import what is heavy inside the function.
 */
import type { CallOptions } from "./protocol.js";
import type { RunResult, Source } from "./sources.js";

export interface LabContext {
  /** Lets other messages in; await it at least every 30 ms of work. */
  breathe(): Promise<void>;
  source(id: string): Promise<Source>;
  run(id: number): { result: RunResult; source: Source; text: string };
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
  efficient: later(async () => (await import("./efficient.js")).efficient),
  stream: later(async () => (await import("./play.js")).stream),
};
