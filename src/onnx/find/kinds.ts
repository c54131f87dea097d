/**
 * @file Which attention is which: kind and layer.
 *
 * Kind: what names say, else what depends on what. A query that depends on something its keys do not depend on, or on no
 * input at all (learned queries), attends to another sequence: "cross". Self-attentions whose results feed the keys of a
 * cross-attention are the encoder's; those of the asking side are the decoder's, unless its queries are learned, as a
 * Perceiver's: then there is one stack, "self".
 *
 * Layer: a later layer depends on an earlier one, so the order is that of the longest path, never that of the file. Towers
 * that do not depend on each other are numbered one after the other.
 */
import type { AttentionKind } from "../../attention/listen.js";
import type { Node } from "../proto/model.js";
import { Dependencies } from "../graph/dependencies.js";
import type { Scope } from "../graph/scope.js";
import type { Found } from "./found.js";
import { type NamedSite, namedSite } from "./names.js";

/** What is said of where kind and layer were read from. */
export type SiteSource = NamedSite["from"] | "dataflow";

/** "high": names and dataflow agree · "medium": one of them tells · "low": they contradict each other. */
export type Confidence = "high" | "medium" | "low";

export interface Placed {
  found: Found;
  kind: AttentionKind;
  layer: number;
  source: SiteSource;
  confidence: Confidence;
  /** The module's path, where there is one. */
  path: string | undefined;
}

/** Positions, masks and counters shape how a token is read; they are not what is read. */
const isContent = (input: string): boolean => !/position|mask|cache_pos|use_cache|seqlen|length/i.test(input);

/** Gives every attention its kind and layer. Attentions in sibling branches of an If may share a place. */
export function placed(root: Scope, all: readonly Found[]): Placed[] {
  const dependencies = new Dependencies(root, isContent, all);
  const names = all.map(namedSite);
  const flow = all.map((f) => !f.self && crosses(dependencies, f));
  const cross = all.map((_, i) => names[i]?.cross || (!names[i]?.self && flow[i]!));
  const kinds = kindsOf(dependencies, all, names, cross);
  const out = all.map(
    (found, i): Placed => ({
      found,
      kind: kinds[i]!,
      layer: 0,
      source: "dataflow",
      confidence: flow[i] === cross[i] ? "medium" : "low",
      path: names[i]?.path,
    }),
  );
  number(root, out, dependencies, {});
  out.forEach((p, i) => {
    if (!agrees(p, i, out, names)) return;
    p.source = names[i]!.from;
    if (p.confidence === "medium") p.confidence = "high";
  });
  return out;
}

function crosses(dependencies: Dependencies, { scope, q, k }: Found): boolean {
  if (q === k) return false;
  const [asks, answers] = [dependencies.of(scope, q), dependencies.of(scope, k)];
  return asks === 0n ? answers !== 0n : (asks & ~answers) !== 0n;
}

function kindsOf(
  dependencies: Dependencies,
  all: readonly Found[],
  names: readonly (NamedSite | undefined)[],
  cross: readonly boolean[],
): AttentionKind[] {
  if (!cross.includes(true)) return all.map(() => "self");
  const keys = all.reduce((set, f, i) => (cross[i] ? set | dependencies.of(f.scope, f.k) : set), 0n);
  const read = all.map((_, i) => !cross[i] && (keys & dependencies.bit(i)) !== 0n);
  const asking = all.some((_, i) => !cross[i] && !read[i]);
  const queriesRead = all.some((f, i) => cross[i] && (dependencies.of(f.scope, f.q) & dependencies.inputs) !== 0n);
  // Learned queries over one stack (a Perceiver, a pooling head) make no decoder of it.
  const learned = all.every((f, i) => !cross[i] || firstQueriesLearned(dependencies, f, all, cross));
  const named = names.some((n) => n?.side === "decoder");
  return all.map((_, i): AttentionKind => {
    if (cross[i]) return "cross";
    const side = names[i]?.side;
    if (named && side) return side;
    if (read[i]) return asking || (queriesRead && !learned) ? "encoder" : "self";
    // A stack that asks and is called an encoder (a Q-Former's) is one stack with cross-attention.
    return side !== "encoder" && (read.includes(true) || !learned) ? "decoder" : "self";
  });
}

/** Whether a cross-attention's queries owe everything they know of the input to cross-attention. */
function firstQueriesLearned(
  dependencies: Dependencies,
  found: Found,
  all: readonly Found[],
  cross: readonly boolean[],
): boolean {
  const set = dependencies.of(found.scope, found.q);
  if (set === 0n) return true;
  return all.some((_, i) => cross[i] && (set & dependencies.bit(i)) !== 0n);
}

type Counts = Partial<Record<AttentionKind, number>>;

/**
 * Numbers the attentions of one graph and of the graphs inside it. Branches of one node start at the same number and the
 * longest of them counts. @returns how many of each kind there are up to its end
 */
function number(scope: Scope, all: readonly Placed[], dependencies: Dependencies, before: Counts): Counts {
  const own = all.filter((p) => p.found.scope === scope);
  const inner = new Map<Node, Scope[]>();
  for (const child of scope.children.values()) {
    if (holdsAny(child, all)) inner.set(child.owner!, [...(inner.get(child.owner!) ?? []), child]);
  }
  const level = (node: Node): number => scope.level.get(node)!;
  const counts = { ...before };
  const next = (kind: AttentionKind): number => {
    const n = counts[kind] ?? 0;
    counts[kind] = n + 1;
    return n;
  };
  if (inner.size === 0) {
    for (const kind of ["self", "encoder", "decoder", "cross"] as const) {
      const sorted = own.filter((p) => p.kind === kind).sort((a, b) => level(a.found.node) - level(b.found.node));
      for (const stack of stacks(sorted, all, dependencies)) for (const p of stack) p.layer = next(kind);
    }
    return counts;
  }
  const items = [
    ...own.map((p) => ({ node: p.found.node, p })),
    ...[...inner.keys()].map((node) => ({ node, p: undefined })),
  ];
  for (const { node, p } of items.sort((a, b) => level(a.node) - level(b.node))) {
    if (p) p.layer = next(p.kind);
    else {
      const ends = inner.get(node)!.map((child) => number(child, all, dependencies, { ...counts }));
      for (const end of ends)
        for (const [kind, n] of Object.entries(end) as [AttentionKind, number][])
          counts[kind] = Math.max(counts[kind] ?? 0, n);
    }
  }
  return counts;
}

function holdsAny(scope: Scope, all: readonly Placed[]): boolean {
  return all.some((p) => p.found.scope === scope) || [...scope.children.values()].some((child) => holdsAny(child, all));
}

/** Splits attentions, in running order, into chains in which each depends on the one before. */
function stacks(sorted: readonly Placed[], all: readonly Placed[], dependencies: Dependencies): Placed[][] {
  const out: { items: Placed[]; last: bigint }[] = [];
  for (const p of sorted) {
    const { scope, q, k } = p.found;
    const set = dependencies.of(scope, q) | dependencies.of(scope, k);
    const bit = dependencies.bit(all.indexOf(p));
    const chain = out.find((c) => (set & c.last) !== 0n);
    if (chain) {
      chain.items.push(p);
      chain.last = bit;
    } else out.push({ items: [p], last: bit });
  }
  return out.map((c) => c.items);
}

/** Whether the numbers in the names run the same way as the layers: then names are the better-known source. */
function agrees(p: Placed, i: number, all: readonly Placed[], names: readonly (NamedSite | undefined)[]): boolean {
  const mine = names[i]?.indices;
  if (!mine || (mine.length === 0 && !names[i]!.cross)) return false;
  return all.every((other, j) => {
    if (j === i || other.kind !== p.kind || other.found.scope !== p.found.scope) return true;
    const theirs = names[j]?.indices;
    if (!theirs) return false;
    const order = compare(mine, theirs);
    return order !== 0 && order < 0 === p.layer < other.layer;
  });
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
