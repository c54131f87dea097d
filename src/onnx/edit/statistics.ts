/**
 * @file Statistics of a map, computed in the graph, so that only [B, H, Tq] numbers leave it: for texts whose maps would
 * not fit (a map is O(Tq·Tk) numbers a head, a statistic O(Tq)).
 *
 *     entropy     −Σ_j P[i, j] ln P[i, j]   in nats; 0 · ln 0 = 0
 *     first       P[i, 0], the mass on the first key
 *     diagonal    P[i, i + Tk − Tq], the mass on the query's own place (not for cross-attention)
 *     delimiters  Σ_j P[i, j] over keys whose token is one of those named
 */
import { FLOAT, INT64 } from "../proto/model.js";
import { intAttribute } from "../proto/write.js";
import type { Builder } from "./builder.js";

export const statistics = ["entropy", "first", "diagonal", "delimiters"] as const;
export type Statistic = (typeof statistics)[number];

/** Names of the tokens to count as delimiters, and the graph input [B, Tk] that holds the keys' ids. */
export interface Delimiters {
  ids: readonly number[];
  input: string;
}

/** Adds one statistic of a map P [B, H, Tq, Tk]; gives the name of [B, H, Tq]. */
export function addStatistic(b: Builder, which: Statistic, map: string, delimiters?: Delimiters): string {
  if (which === "entropy") {
    // The least number keeps the logarithm finite; times a weight of 0 it is 0 all the same.
    const logarithm = b.op("Log", [b.op("Max", [map, b.float(1e-38)])]);
    return b.op("Neg", [b.reduce("ReduceSum", b.op("Mul", [map, logarithm]), 3)]);
  }
  if (which === "first") return b.op("Gather", [map, b.int(0)], [intAttribute("axis", 3)]);
  if (which === "diagonal") return masked(b, map, diagonal(b, map));
  return masked(b, map, delimiterKeys(b, delimiters!));
}

const masked = (b: Builder, map: string, mask: string): string => b.reduce("ReduceSum", b.op("Mul", [map, mask]), 3);

/** 1 where key = query + Tk − Tq, as in a cached step, where the queries are the last of the tokens. [Tq, Tk] */
function diagonal(b: Builder, map: string): string {
  const [queries, keys] = [b.length(map, 2), b.length(map, 3)];
  const own = b.op("Add", [b.range(queries), b.op("Sub", [keys, queries])]);
  return b.cast(b.op("Equal", [b.unsqueeze(own, 1), b.unsqueeze(b.range(keys), 0)]), FLOAT);
}

/** 1 where the key's token is one of the named. [B, 1, 1, Tk] */
function delimiterKeys(b: Builder, { ids, input }: Delimiters): string {
  const tokens = b.unsqueeze(b.cast(input, INT64), 2);
  const hits = b.cast(b.op("Equal", [tokens, b.ints(...ids)]), FLOAT);
  return b.unsqueeze(b.reduce("ReduceMax", hits, 2), 1, 2);
}
