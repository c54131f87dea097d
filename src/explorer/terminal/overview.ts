/** @file Every head in a line: where it looks by distance, how spread it is, and what it does if that stands out. */
import { headTypes, type HeadTokens, leadingType, type Trace, uniformMap, visibleWeights } from "../../trace/index.js";
import type { AttentionKind } from "../../attention/listen.js";
import type { ColourDepth } from "./colour.js";
import { distances, sparkline } from "./table.js";

export interface HeadLine {
  layer: number;
  head: number;
  /** The type that stands out, or undefined; its score and the score of a uniform head on the same text. */
  type: { id: string; name: string; score: number; chance: number } | undefined;
  /** Mean entropy of the rows in bits. */
  entropy: number;
  /** Mean weight by distance, as bars; the distances back that they stand for, negative = ahead. */
  spark: string;
  distances: number[];
}

/** One line for each head of a kind, layer by layer. */
export function headLines(
  trace: Trace,
  kind: AttentionKind,
  batch: number,
  depth: ColourDepth,
  width = 16,
): HeadLine[] {
  const { rows, columns } = trace.sequences(kind);
  const keys = columns[batch]!;
  const tokens: HeadTokens = {
    ids: keys.ids,
    delimiter: keys.tokens.map((t, i) => keys.special?.[i] === 1 || /^[\sĠ▁]*[.,;:!?'"()-]+$/.test(t)),
    square: rows[batch] === keys,
  };
  return trace.layers(kind).flatMap((layer) => {
    const record = trace.record(layer, kind);
    return Array.from({ length: record.heads }, (_, head): HeadLine => {
      const map = visibleWeights(record, { head, batch });
      const even = uniformMap(map, record.queries, record.keys);
      const score = (m: Float32Array) =>
        Object.fromEntries(headTypes.map((t) => [t.id, t.score(m, record.queries, record.keys, tokens)]));
      const [scores, chance] = [score(map), score(even)];
      const leading = leadingType(scores, chance);
      const type = leading && headTypes.find((t) => t.id === leading.id);
      const back = distances(map, record.queries, record.keys, width);
      return {
        layer,
        head,
        type: type && { id: type.id, name: type.name, score: scores[type.id]!, chance: chance[type.id]! },
        entropy: meanEntropy(map, record.queries, record.keys),
        spark: sparkline(map, record.queries, record.keys, back, depth),
        distances: back,
      };
    });
  });
}

function meanEntropy(map: Float32Array, queries: number, keys: number): number {
  let total = 0;
  for (const w of map) if (w > 0) total -= w * Math.log2(w);
  return keys === 0 ? 0 : total / queries;
}

/** The lines as a table for people. */
export function drawOverview(lines: readonly HeadLine[]): string[] {
  const width = Math.max(13, ...lines.map((l) => l.distances.length));
  const ahead = lines.some((l) => l.distances[0]! < 0);
  const title = `layer head  ${(ahead ? "ahead · back" : "itself · back").padEnd(width)}  entropy  what it does (score, chance)`;
  return [
    title,
    ...lines.map(({ layer, head, spark, entropy, type, distances }) => {
      const says = type ? `${type.name}  ${type.score.toFixed(2)} (${type.chance.toFixed(2)})` : "";
      return `${String(layer).padStart(5)} ${String(head).padStart(4)}  ${spark}${" ".repeat(width - distances.length)}  ${entropy.toFixed(2).padStart(7)}  ${says}`.trimEnd();
    }),
  ];
}

/** The head worth showing first: of the heads with a type beyond resting on the first token, the one furthest above chance. */
export function mostTelling(lines: readonly HeadLine[]): HeadLine {
  const strength = ({ type }: HeadLine): number =>
    !type || type.id === "first" || type.id === "broad" ? 0 : type.score - type.chance;
  return lines.reduce((best, line) => (strength(line) > strength(best) ? line : best));
}
