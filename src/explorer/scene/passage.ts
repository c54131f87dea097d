/** @file Running text on lines of a width: where each token stands. Words stay whole, right-to-left text runs from the right. */
import type { Group, TokenView } from "../engine/protocol.js";
import { directionOf, runsFromRight } from "./direction.js";
import type { Measure } from "./scene.js";
import { groupLabel } from "./tokens.js";

export interface Passage {
  labels: readonly string[];
  /** Whether a word begins with the token: there the line may break. */
  starts: readonly boolean[];
  /** Whether the text itself begins a new line there. */
  breaks: readonly boolean[];
}

export function passageOf(tokens: readonly TokenView[], groups: readonly Group[]): Passage {
  return {
    labels: groups.map((g) => groupLabel(tokens, g)),
    starts: groups.map(([from]) => tokens[from]!.startsWord),
    breaks: groups.map(([from]) => tokens[from]!.text.startsWith("\n")),
  };
}

export interface Place {
  x: number;
  width: number;
  line: number;
}

/** Written without spaces: a line may break before any sign. */
const unspaced = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

/** Places of all tokens in `width` pixels, `size` pixels high, with `pad` on both sides of each. */
export function placed(p: Passage, width: number, size: number, pad: number, measure: Measure): Place[] {
  const base = runsFromRight(p.labels) ? -1 : 1;
  const wide = p.labels.map((l) => measure(l, size) + 2 * pad);
  const gap = Math.round(size * 0.32);
  const out: Place[] = [];
  linesOf(p, wide, gap, width).forEach((line, at) => {
    const order = visualOrder(line, p.labels, base);
    const space = (n: number): number => (n === line[0] || !p.starts[n] ? 0 : gap);
    const all = line.reduce((sum, n) => sum + wide[n]! + space(n), 0);
    let x = base < 0 ? Math.max(0, width - all) : 0;
    for (const { n, way } of order) {
      if (way > 0) x += space(n);
      out[n] = { x, width: wide[n]!, line: at };
      x += wide[n]! + (way < 0 ? space(n) : 0);
    }
  });
  return out;
}

/** Words onto lines; a word wider than a line stands on one of its own. */
function linesOf(p: Passage, wide: number[], gap: number, width: number): number[][] {
  const lines: number[][] = [[]];
  let used = 0;
  for (let n = 0; n < wide.length; ) {
    let to = n + 1;
    while (to < wide.length && !p.starts[to] && !p.breaks[to] && !unspaced.test(p.labels[to]!)) to++;
    const word = wide.slice(n, to).reduce((a, b) => a + b, 0);
    const before = used > 0 && p.starts[n] ? gap : 0;
    if (used > 0 && (p.breaks[n] || used + before + word > width)) {
      lines.push([]);
      used = 0;
    } else used += before;
    for (; n < to; n++) {
      lines.at(-1)!.push(n);
      used += wide[n]!;
    }
  }
  return lines;
}

/** Tokens of a line from left to right: runs of one direction, each in its own, as in Unicode's rules N1 and N2. */
function visualOrder(line: number[], labels: readonly string[], base: -1 | 1): { n: number; way: -1 | 1 }[] {
  const strong = line.map((n) => directionOf(labels[n]!));
  const ways = strong.map((d, i): -1 | 1 => {
    if (d !== 0) return d;
    const before = strong.slice(0, i).findLast((x): x is 1 | -1 => x !== 0) ?? base;
    const after = strong.slice(i).find((x): x is 1 | -1 => x !== 0) ?? base;
    return before === after ? before : base;
  });
  const runs: { n: number; way: -1 | 1 }[][] = [];
  line.forEach((n, i) => {
    const way = ways[i]!;
    const run = runs.at(-1);
    if (run?.[0]?.way === way) run.push({ n, way });
    else runs.push([{ n, way }]);
  });
  const turned = runs.map((r) => (r[0]!.way < 0 ? r.reverse() : r));
  return (base < 0 ? turned.reverse() : turned).flat();
}
