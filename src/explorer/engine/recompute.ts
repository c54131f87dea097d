/** @file A weight derived once more, from q and k in float64 and nothing that was stored beside them. */
import { OptionError } from "../../tensor/index.js";
import { QkRecord } from "../../trace/index.js";
import { freshRow } from "./fresh-row.js";
import type { LabCall } from "./labs.js";
import type { At } from "./protocol.js";

export interface RecomputeShown {
  weight: number;
  lse: number;
  /** What the trace gives. */
  stored: number;
  storedLse: number;
  /** The stored weight was given by hand: q and k say another. */
  given: boolean;
}

/** The lab call "recompute". */
export const recompute: LabCall = async (asked, _options, context) => {
  const { run, kind, layer, head, query, key } = asked as At & { query: number; key: number };
  const record = context.run(run).result.trace.record(layer, kind);
  if (!(record instanceof QkRecord)) {
    throw new OptionError({ where: "recompute", argument: "the trace", got: "holds finished maps, no q and k" });
  }
  const fresh = freshRow(record, head, query);
  const pair = record.pair(0, head, query, key);
  return { weight: fresh.weights[key]!, lse: fresh.lse, stored: pair.weight, storedLse: pair.lse, given: pair.given } satisfies RecomputeShown; // biome-ignore format: one answer
};
