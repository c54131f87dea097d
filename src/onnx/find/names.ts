/**
 * @file What the names in a file say of an attention: the path of its module, its layer, and whether it is cross-attention.
 *
 *     /encoder/block.0/layer.0/SelfAttention/Softmax           torch's older exporter: the node's name is the path
 *     pkg.torch.onnx.name_scopes ['', 'encoder.layer.0', …]    torch's newer exporter: the path is metadata
 *     model.layers.3.attn.q_proj.MatMul.weight                 a weight on the way to the queries, where nodes have no names
 */
import type { Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";
import type { Found } from "./found.js";
import { operands } from "./products.js";

export interface NamedSite {
  path: string;
  from: "node names" | "metadata" | "weight names";
  /** Numbers in the path, outermost first: [stage, block] or [layer]. */
  indices: number[];
  cross: boolean;
  /** The path says self-attention. */
  self: boolean;
  side: "encoder" | "decoder" | undefined;
}

/** Reads the names around an attention; undefined when none of them is a path with a number in it. */
export function namedSite(found: Found): NamedSite | undefined {
  for (const node of found.witnesses) {
    for (const [from, path] of [
      ["node names", nodePath(node)],
      ["metadata", metadataPath(node)],
    ] as const) {
      const site = path ? parsed(path, from) : undefined;
      if (site && (site.indices.length > 0 || site.cross)) return site;
    }
  }
  const weight = weightName(found.scope, found.q);
  const site = weight ? parsed(weight, "weight names") : undefined;
  return site && site.indices.length > 0 ? site : undefined;
}

/** A node's name without its last part, which is the operator. A name without "/" is a counter, no path. */
function nodePath({ name }: Node): string | undefined {
  const end = name.lastIndexOf("/");
  return end > 0 ? name.slice(0, end) : undefined;
}

/** The module whose call made the node: the last but one of name_scopes. */
function metadataPath({ metadata }: Node): string | undefined {
  const scopes = metadata?.get("pkg.torch.onnx.name_scopes");
  if (scopes) return [...scopes.matchAll(/'([^']*)'/g)].map((m) => m[1]!).at(-2);
  const namespace = metadata?.get("namespace");
  return namespace?.split("/").at(-2)?.split(":")[0];
}

const crossWords = /enc_?dec|cross|encoder_attn|enc_attn|src_attn|multihead_attn/i;
const selfWords = /self/i;

function parsed(path: string, from: NamedSite["from"]): NamedSite {
  const segments = path.split(/[/.]/).filter((s) => s !== "");
  const indices: number[] = [];
  let side: NamedSite["side"];
  let cross = false;
  let self = false;
  for (const segment of segments) {
    const number =
      /^_*(\d+)(?:_\d+)?$/.exec(segment) ?? /^(?:layers?|blocks?|h|stages?|groups?)_?(\d+)$/i.exec(segment);
    if (number) indices.push(Number(number[1]));
    else if (crossWords.test(segment)) cross = true;
    else if (selfWords.test(segment)) self = true;
    if (side === undefined && indices.length === 0 && !crossWords.test(segment)) {
      if (/decoder/i.test(segment)) side = "decoder";
      else if (/encoder/i.test(segment)) side = "encoder";
    }
  }
  return { path, from, indices, cross, self, side };
}

/** The name of a weight of the linear layer that makes a value, if it is a path. */
function weightName(scope: Scope, start: string): string | undefined {
  const seen = new Set<string>([start]);
  const queue = [start];
  for (let i = 0; i < queue.length && i < 100; i++) {
    const made = scope.maker(queue[i]!);
    if (!made) continue;
    const weights = made.node.inputs.filter((name) => made.scope.value(name).origin === "weight");
    const layer = operands(made.node) !== undefined || made.node.op === "Add";
    const path = layer && weights.find((name) => /[a-z_]\.\d+\./i.test(name) && !made.scope.maker(name));
    if (path) return path;
    if (layer && made.node.op !== "Add" && weights.length > 0) continue; // a layer without a name: what lies before is another module
    for (const name of made.node.inputs) {
      if (name === "" || seen.has(name)) continue;
      seen.add(name);
      queue.push(name);
    }
  }
  return undefined;
}
