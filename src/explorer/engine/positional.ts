/**
 * @file How much a head goes by position alone: its maps on several texts of one length are compared with one another.
 * Score: mean likeness Σ_j √(p_j·q_j) over rows and pairs of texts; 1 = the same map whatever is written. Texts are this
 * text's own words in other orders (seeded), so vocabulary and length stay. An even head scores 1 too: read it beside "broad".
 */
import { type Trace, visibleWeights } from "../../trace/index.js";
import { UnavailableError } from "../../tensor/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";
import { seeded } from "./synthetic.js";

export interface PositionalShown {
  texts: number;
  tokens: number;
  heads: { layer: number; head: number; score: number }[];
}

/** Longest part of a text that is compared. */
const longest = 256;

/** The lab call "positional". */
export const positional: LabCall = async (asked, options, context) => {
  const { run, kind, texts = 5 } = asked as { run: number; kind: Kind; texts?: number };
  const { source, text, result } = context.run(run);
  if (!source.card.runs) {
    throw new UnavailableError({ where: "head types", argument: "a trace", got: "cannot be read with other words", fix: "open the model itself" }); // biome-ignore format: one error
  }
  const traces: Trace[] = [result.trace];
  for (let n = 1; n < texts; n++) {
    traces.push((await source.run(shuffled(text, n), [])).trace);
    options.onProgress?.(n, texts, "texts read");
    await context.breathe();
    options.signal?.throwIfAborted();
  }
  return positionalOf(traces, kind);
};

export function positionalOf(traces: Trace[], kind: Kind): PositionalShown {
  const tokens = Math.min(longest, ...traces.map((t) => t.record(t.layers(kind)[0]!, kind).queries));
  const heads: PositionalShown["heads"] = [];
  for (const layer of traces[0]!.layers(kind)) {
    for (let head = 0; head < traces[0]!.record(layer, kind).heads; head++) {
      const maps = traces.map((t) => {
        const { keys } = t.record(layer, kind);
        return visibleWeights(t.record(layer, kind), { head, rows: [0, tokens], columns: [0, Math.min(tokens, keys)] });
      });
      heads.push({ layer, head, score: likeness(maps, tokens) });
    }
  }
  return { texts: traces.length, tokens, heads };
}

function likeness(maps: Float32Array[], rows: number): number {
  let [total, pairs] = [0, 0];
  for (let a = 0; a < maps.length; a++) {
    for (let b = 0; b < a; b++) {
      let sum = 0;
      const n = Math.min(maps[a]!.length, maps[b]!.length);
      for (let i = 0; i < n; i++) sum += Math.sqrt((maps[a]![i]! || 0) * (maps[b]![i]! || 0));
      total += sum / rows;
      pairs++;
    }
  }
  return pairs > 0 ? total / pairs : Number.NaN;
}

/** The words of a text in another order. */
function shuffled(text: string, seed: number): string {
  const words = text.trim().split(/\s+/);
  const random = seeded(seed);
  for (let i = words.length - 1; i > 0; i--) {
    const j = Math.floor(((random() + 1) / 2) * (i + 1));
    [words[i], words[j]] = [words[j]!, words[i]!];
  }
  return words.join(" ");
}
