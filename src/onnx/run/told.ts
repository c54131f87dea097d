/** @file What a model tells of itself: its attentions, its inputs and outputs, and the numbers that come out. */
import type { AttentionKind } from "../../attention/listen.js";
import { float16ToFloat32 } from "../../tensor/index.js";
import type { Site } from "../find/find.js";
import { type Dimension, elementTypes, type ValueInfo } from "../proto/model.js";
import type { Feed } from "./feed.js";
import type { OrtTensor } from "./runtime.js";

/** One attention of a model. */
export interface AttentionInfo {
  kind: AttentionKind;
  layer: number;
  /** undefined where only a run can tell. */
  heads: number | undefined;
  /** The tensor that holds the map, or how it is got out of a fused operator. */
  tapped: string;
  /** Where kind and layer were read from: "node names", "metadata", "weight names" or "dataflow". */
  source: string;
  /** "high": names and dataflow agree; "medium": one of them tells; "low": they contradict each other, names were taken. */
  confidence: "high" | "medium" | "low";
  /** The module's path in the model it was exported from, where the file tells. */
  path?: string;
}

/** An input or output of a graph. An axis without a fixed length has a name, or null. */
export interface PortInfo {
  name: string;
  type: string;
  shape: (number | string | null)[] | null;
}

/** An output of the model: its numbers as they are, half precision as float32. */
export interface OutputTensor {
  data:
    | Float32Array
    | Float64Array
    | BigInt64Array
    | BigUint64Array
    | Int32Array
    | Uint32Array
    | Int16Array
    | Uint16Array
    | Int8Array
    | Uint8Array
    | string[];
  shape: number[];
}

export function attentionInfo(site: Site): AttentionInfo {
  const { kind, layer, heads, source, confidence, path, ways } = site;
  return {
    kind,
    layer,
    heads,
    tapped: tapped(site),
    source,
    confidence,
    ...(path && source !== "dataflow" && ways.length > 0 && { path }),
  };
}

function tapped({ ways }: Site): string {
  const [{ tap, node, rounds } = ways[0]!] = ways;
  const name = node.name || node.outputs[0]!;
  const each = rounds ? `, a map a round of ${rounds.op}${rounds.name ? ` "${rounds.name}"` : ""}` : "";
  if (tap.form === "tensor") return tap.tensor + each;
  if (tap.form === "output") return `output ${tap.index} of ${name}${each}`;
  return tap.form === "beside" ? `computed beside ${name}${each}` : `hidden: ${tap.why}`;
}

export function portInfo({ name, type, shape }: ValueInfo): PortInfo {
  return {
    name,
    type: elementTypes[type]?.name ?? "no tensor",
    shape: shape?.map((d: Dimension) => d ?? null) ?? null,
  };
}

export function outputTensor({ type, data, dims }: OrtTensor): OutputTensor {
  const shape = [...dims];
  if (type === "float16" && data instanceof Uint16Array) return { data: float16ToFloat32(data), shape };
  if (type === "float16") return { data: Float32Array.from(data as ArrayLike<number>), shape };
  return { data: data as OutputTensor["data"], shape };
}

/** How many texts: the first axis of the first input that has more than one axis and is no cache. */
export function batchOf(inputs: readonly ValueInfo[], feeds: Record<string, Feed>): number {
  for (const { name } of inputs) {
    const shape = feeds[name]?.shape ?? feeds[name]?.dims ?? [];
    if (shape.length > 1 && !name.startsWith("past")) return shape[0]!;
  }
  return 1;
}
