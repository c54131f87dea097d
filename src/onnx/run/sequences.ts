/** @file Who stands along the rows and columns of the maps, as far as feeds and shapes tell. */
import type { AttentionRecord, Sequence } from "../../trace/index.js";
import type { Feed } from "./feed.js";

/** Sequences of a trace; what a caller knows better (texts, tokens) wins. */
export interface Described {
  sequences?: Sequence[] | undefined;
  sources?: Sequence[] | undefined;
}

const numbers = (feed: Feed | undefined): { rows: number[][] } | undefined => {
  const shape = feed?.shape ?? feed?.dims;
  if (!feed || shape?.length !== 2) return undefined;
  const [rows, width] = shape as [number, number];
  const data = Array.from(feed.data as ArrayLike<number>, Number);
  return { rows: Array.from({ length: rows }, (_, i) => data.slice(i * width, (i + 1) * width)) };
};

/**
 * Makes up what is not described: ids where a feed holds as many as the maps have tokens (in a cached step they are the
 * last ones), numbered places else (patches of an image, frames of a sound).
 */
export function described(
  records: readonly AttentionRecord[],
  feeds: Record<string, Feed>,
  given: Described,
): { sequences: Sequence[]; sources?: Sequence[] } {
  const of = (kind: string): AttentionRecord | undefined => records.find((r) => r.site.kind === kind);
  const asking = of("self") ?? of("decoder") ?? of("cross");
  const encoder = of("encoder");
  const cross = of("cross");
  const asks = asking
    ? made(
        asking.batch,
        Math.max(asking.queries, asking.site.kind === "cross" ? 0 : asking.keys),
        feeds,
        asking.site.kind !== "self",
        "place",
      )
    : [];
  const sequences =
    given.sequences ??
    (asks.length > 0 ? asks : encoder ? made(encoder.batch, encoder.keys, feeds, false, "place") : []);
  if (given.sources) return { sequences, sources: given.sources };
  const source = encoder ?? cross;
  return source ? { sequences, sources: made(source.batch, source.keys, feeds, false, "source") } : { sequences };
}

function made(batch: number, length: number, feeds: Record<string, Feed>, decoder: boolean, word: string): Sequence[] {
  const names = decoder ? ["decoder_input_ids", "input_ids"] : ["input_ids", "encoder_input_ids"];
  const ids = names.map((n) => numbers(feeds[n])).find((x) => x && (x.rows[0]?.length ?? 0) <= length);
  const masks = ids && numbers(feeds[decoder ? "decoder_attention_mask" : "attention_mask"]);
  return Array.from({ length: batch }, (_, b): Sequence => {
    const known =
      ids?.rows.length === batch && word === "place"
        ? ids.rows[b]!
        : ids?.rows.length === batch && ids.rows[b]!.length === length
          ? ids.rows[b]!
          : [];
    const before = length - known.length;
    const tokens = Array.from({ length }, (_, i) => (i < before ? `${word} ${i}` : `#${known[i - before]}`));
    const mask = masks?.rows.length === batch && masks.rows[b]!.length === length ? masks.rows[b]! : undefined;
    return {
      ids: Array.from({ length }, (_, i) => (i < before ? -1 : known[i - before]!)),
      tokens,
      ...(mask?.includes(0) && { mask }),
    };
  });
}
