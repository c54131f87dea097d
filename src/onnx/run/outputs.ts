/** @file Which outputs an edit adds for a run, and how records are read from them. */
import type { AttentionRecord } from "../../trace/index.js";
import type { Site } from "../find/find.js";
import { floatOf, mapOf, rowLogSumExp, rowMaximum } from "../edit/map.js";
import type { Place, Plan } from "../edit/plan.js";
import { mapRecord, qkRecord, type Result } from "./record.js";
import type { OrtTensor } from "./runtime.js";

/** The outputs of one attention, by what they are. */
export interface SiteOutputs {
  site: Site;
  /** It stands in a Loop, whose rounds onnxruntime can only hand out when they have one shape. */
  rounds: boolean;
  /** Outputs to fetch. */
  names: string[];
  /** One more, the values, for who wants them. */
  values?: string | undefined;
  /** undefined: this run did not compute it (an If took the other branch). null: what came is no proof, take the map. */
  record(results: Record<string, OrtTensor>, batch: number): AttentionRecord | undefined | null;
}

const result = (results: Record<string, OrtTensor>, name: string): Result => {
  const { data, dims } = results[name]!;
  return { data: data as Float32Array, dims };
};

/** Adds what is needed to see one attention. @returns undefined for an operator that hides its map */
export function addOutputs(plan: Plan, site: Site, preferQk: boolean): SiteOutputs | undefined {
  const [only] = site.ways;
  return preferQk && site.ways.length === 1 && only!.qk && only!.scope === plan.root
    ? qkOutputs(plan, site)
    : mapOutputs(plan, site);
}

function mapOutputs(plan: Plan, site: Site): SiteOutputs | undefined {
  const ways = site.ways.map((found) => mapOf(plan, found));
  if (ways.some((w) => w === undefined)) return undefined;
  const map = plan.hoist(ways as Place[], 4);
  plan.output(plan.root, map, 4);
  const maxima = site.ways.map((found) => rowMaximum(plan, found));
  let max: string | undefined;
  if (maxima.every((m) => m !== undefined)) {
    max = plan.hoist(maxima as Place[], 3);
    plan.output(plan.root, max, 3);
  }
  return {
    site,
    rounds: site.ways.some((found) => found.rounds !== undefined),
    names: max ? [map, max] : [map],
    record: (results, batch) => {
      const { data, dims } = result(results, map);
      if (data.length === 0) return undefined;
      return mapRecord(site, { data, dims }, max ? result(results, max) : undefined, site.heads, batch);
    },
  };
}

function qkOutputs(plan: Plan, site: Site): SiteOutputs {
  const found = site.ways[0]!;
  const tap = found.qk!;
  const put = (place: Place, rank: number): string => {
    plan.output(plan.root, place.name, rank);
    return place.name;
  };
  const q = put(floatOf(plan, found, tap.q), 4);
  const k = put(floatOf(plan, found, tap.k), 4);
  const lse = put(rowLogSumExp(plan, found), 3);
  const biases = tap.biases.map((b) => put(floatOf(plan, found, b), found.scope.value(b).dims?.length ?? 4));
  const v = tap.v && put(floatOf(plan, found, tap.v), 4);
  return {
    site,
    rounds: false,
    names: [q, k, lse, ...biases],
    values: v,
    record: (results) => {
      const read = (name: string): Result => result(results, name);
      const { kTransposed, scale, softcap } = tap;
      const parts = { q: read(q), k: read(k), v: v && results[v] ? read(v) : undefined, kTransposed, lse: read(lse), biases: biases.map(read), scale, softcap }; // biome-ignore format: one record
      return qkRecord({ kind: site.kind, layer: site.layer }, parts) ?? null;
    },
  };
}
