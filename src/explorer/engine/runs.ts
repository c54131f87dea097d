/** @file Runs that stay open, and what the page is told of each. */
import { OptionError, UnavailableError } from "../../tensor/index.js";
import { type AttentionRecord, QkRecord, type Trace } from "../../trace/index.js";
import { describeKinds } from "./kinds.js";
import { saysOf, topGuesses, writesOn } from "./predict.js";
import type { Edit, Kind, KindView, RunView } from "./protocol.js";
import type { RunResult, Source } from "./sources.js";

/** Bytes of runs that stay open: hundreds of sentences, a few texts of ten thousand tokens. The longest unused go first. */
const keptBytes = 600e6;

export interface Run {
  id: number;
  source: Source;
  text: string;
  edits: Edit[];
  result: RunResult;
  kinds: KindView[];
}

export class Runs {
  readonly #runs = new Map<number, Run>();
  #counter = 0;

  keep(source: Source, result: RunResult, edits: Edit[], milliseconds: number): RunView {
    const id = ++this.#counter;
    const kinds = describeKinds(result.trace);
    this.#runs.set(id, { id, source, text: result.text, edits, result, kinds });
    this.#closeOld();
    const { trace } = result;
    return {
      id,
      model: source.card,
      text: result.text,
      kinds,
      ...(writesOn(trace) && { next: topGuesses(trace, source, -1, 12) }),
      edits,
      provenance: { ...trace.info.provenance },
      notes: result.notes,
      milliseconds,
      hasLogits: writesOn(trace),
      says: saysOf(trace, source.model as { vocabularySize: number } | undefined),
      hasHiddenStates: trace.hiddenStates.length > 0,
    };
  }

  /** @throws {UnavailableError} when it was closed */
  get(id: number): Run {
    const run = this.#runs.get(id);
    if (run) {
      this.#runs.delete(id); // the latest used stands last
      this.#runs.set(id, run);
      return run;
    }
    throw new UnavailableError({
      where: "explore",
      argument: `run ${id}`,
      got: "is closed",
      fix: "run the text again",
    });
  }

  record({ run, kind, layer }: { run: number; kind: Kind; layer: number }): AttentionRecord {
    return this.get(run).result.trace.record(layer, kind);
  }

  #closeOld(): void {
    let bytes = 0;
    for (const [id, run] of [...this.#runs].reverse()) {
      bytes += bytesOf(run.result.trace);
      if (bytes > keptBytes && id !== this.#counter) this.#runs.delete(id);
    }
  }
}

/** The kind of attention asked for, as the page knows it. */
export function kindOf(run: Run, kind: Kind): KindView {
  const found = run.kinds.find((k) => k.kind === kind);
  if (found) return found;
  throw new OptionError({
    where: "explore",
    argument: "kind",
    got: `is "${kind}"`,
    expected: run.kinds.map((k) => k.kind).join(", "),
  });
}

function bytesOf(trace: Trace): number {
  let numbers = trace.logits?.size ?? 0;
  for (const state of [...trace.hiddenStates, ...trace.encoderHiddenStates]) numbers += state.size;
  for (const r of trace.records) {
    numbers +=
      r instanceof QkRecord
        ? r.call.q.tensor.size + r.call.k.tensor.size + (r.values?.size ?? 0)
        : r.batch * r.heads * r.queries * r.keys;
  }
  return numbers * 4;
}
