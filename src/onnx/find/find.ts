/** @file Finds every attention of a model: plain or fused, in the main graph or inside an If. */
import type { AttentionKind } from "../../attention/listen.js";
import type { Model } from "../proto/model.js";
import { infer } from "../graph/infer.js";
import { Scope } from "../graph/scope.js";
import { refuse } from "../wire/refuse.js";
import { findFused } from "./fused.js";
import type { Found } from "./found.js";
import { type Confidence, type Placed, placed, type SiteSource } from "./kinds.js";
import { findPlain, softmaxOf } from "./softmax.js";

/** One attention of a model. An If has it once in each branch: then there is one way to it per branch. */
export interface Site {
  kind: AttentionKind;
  layer: number;
  heads: number | undefined;
  source: SiteSource;
  confidence: Confidence;
  path: string | undefined;
  ways: Found[];
}

/** The largest models have some hundred; the limit keeps time and memory bounded for a file made of nothing else. */
const most = 4096;

/** The attentions of a model, sorted by kind and layer, its main graph with edges, and how many softmaxes it has in all. */
export function findAttention(model: Model): { sites: Site[]; root: Scope; softmaxes: number } {
  const root = new Scope(model.graph, model.source.name);
  infer(root);
  const found: Found[] = [];
  let softmaxes = 0;
  const search = (scope: Scope): void => {
    for (const node of scope.order) if (softmaxOf(scope, node)) softmaxes++;
    for (const f of [...findPlain(scope), ...findFused(scope)]) found.push(enclosed(f));
    for (const child of scope.children.values()) search(child);
  };
  search(root);
  if (found.length > most)
    refuse(model.source.name, `has ${found.length} attentions`, `split it: at most ${most} can be looked at`);
  return { sites: merged(placed(root, found)), root, softmaxes };
}

/** What stands around an attention decides how its map gets out: an If hands it on, a Loop or Scan once a round. */
function enclosed(found: Found): Found {
  let out = found;
  for (let s: Scope | undefined = found.scope; s?.owner; s = s.parent) {
    const { owner } = s;
    const called = owner.name ? `${owner.op} "${owner.name}"` : owner.op;
    const hands = owner.domain === "" && (owner.op === "If" || owner.op === "Loop" || owner.op === "Scan");
    // Where the axis or the order of a Scan's results are listed, one more result would need to be in the lists.
    const listed = [...owner.attributes.keys()].some((name) => name.startsWith("scan_output_"));
    if (!hands || listed)
      return { ...found, tap: { form: "hidden", why: `inside ${called}, which does not hand it out` } };
    if (owner.op !== "If") out = { ...out, rounds: owner, qk: undefined };
  }
  return out;
}

const order: readonly AttentionKind[] = ["self", "encoder", "decoder", "cross"];

function merged(all: readonly Placed[]): Site[] {
  const sites = new Map<string, Site>();
  for (const { found, kind, layer, source, confidence, path } of all) {
    const key = `${kind}.${layer}`;
    const known = sites.get(key);
    if (known) {
      known.ways.push(found);
      known.heads ??= found.heads;
      if (source === "dataflow") known.source = source;
    } else sites.set(key, { kind, layer, heads: found.heads, source, confidence, path, ways: [found] });
  }
  return [...sites.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.layer - b.layer);
}
