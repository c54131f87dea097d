/** @file Tokens of a trace as the page shows them: their piece of the text, where words begin, what is special. */
import type { Sequence } from "../../trace/index.js";
import type { TokenView } from "./protocol.js";

export function tokenViews(sequence: Sequence | undefined, count: number): TokenView[] {
  const out: TokenView[] = [];
  for (let i = 0; i < count; i++) {
    const raw = sequence?.tokens[i] ?? `${i}`;
    const [from, to] = sequence?.offsets?.[i] ?? [0, 0];
    const special = sequence?.special?.[i] === 1 || (from === to && /^(<[^>]+>|\[[A-Z]+\])$/.test(raw));
    const piece = sequence?.text !== undefined && to > from ? sequence.text.slice(from, to) : undefined;
    const text = piece ?? raw.replace(/^[Ġ▁]/, " ").replaceAll("Ċ", "\n").replace(/^##/, "");
    const before = sequence?.text?.[from - 1];
    const startsWord =
      special || i === 0 || /^[Ġ▁\s]/.test(raw) || /^\s/.test(text) || (piece !== undefined && !/[\p{L}\p{N}\p{M}'’]/u.test(before ?? " ")) || !/^[\p{L}\p{N}\p{M}'’]/u.test(text); // biome-ignore format: one question
    out.push({ id: sequence?.ids[i] ?? -1, text, raw, from, to, special, startsWord });
  }
  return out;
}
