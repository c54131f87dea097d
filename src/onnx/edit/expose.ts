/**
 * @file A copy of a model that gives its attention as ordinary outputs, for whatever runs it: onnxruntime in any language,
 * transformers.js, a pipeline.
 *
 *     attentions.N · encoder_attentions.N · decoder_attentions.N · cross_attentions.N      float32 [B, H, Tq, Tk]
 *     attentions.N.entropy …                                                              float32 [B, H, Tq]
 */
import type { AttentionKind } from "../../attention/listen.js";
import { OptionError } from "../../tensor/index.js";
import { findAttention, type Site } from "../find/find.js";
import type { Found } from "../find/found.js";
import { INT32, INT64, type Model } from "../proto/model.js";
import { inlined } from "../proto/inline.js";
import { readModel } from "../proto/read.js";
import type { Scope } from "../graph/scope.js";
import { applyEdits, type Edit } from "../wire/splice.js";
import { memorySource } from "../wire/source.js";
import { intAttribute } from "../proto/write.js";
import { mapOf } from "./map.js";
import { type Place, Plan } from "./plan.js";
import { addStatistic, type Delimiters, type Statistic, statistics } from "./statistics.js";

export interface ExposeOptions {
  /** Default all. */
  kinds?: readonly AttentionKind[] | undefined;
  layers?: readonly number[] | undefined;
  heads?: readonly number[] | undefined;
  /** Give the maps. Default true, unless statistics are asked for. */
  maps?: boolean | undefined;
  /** Give statistics of the maps, computed in the graph: `true` for all that the model allows. */
  statistics?: boolean | readonly Statistic[] | undefined;
  /** Token ids to count as delimiters, for the statistic of that name. */
  delimiters?: readonly number[] | undefined;
  /** Other names for the outputs of a kind: `{ self: "decoder_attentions" }` is what transformers.js collects in generate(). */
  names?: Partial<Record<AttentionKind, string>> | undefined;
}

/** Names of outputs by kind, as Hugging Face calls the results. */
export const outputNames: Readonly<Record<AttentionKind, string>> = {
  self: "attentions",
  encoder: "encoder_attentions",
  decoder: "decoder_attentions",
  cross: "cross_attentions",
};

/**
 * Adds outputs for the attentions of a model. Everything else stays byte for byte.
 * @param bytes an ONNX file; weights outside of it stay where they are
 * @returns the edited file; the same bytes when there is no attention in it
 * Cost: one copy of the file, about as long as copying takes.
 * @throws {FileError} for what is no ONNX file, {OptionError} for kinds, layers or statistics that are not there
 * @example
 * await InferenceSession.create(exposeAttention(bytes))   // outputs: last_hidden_state, attentions.0, attentions.1, …
 */
export function exposeAttention(bytes: Uint8Array, options: ExposeOptions = {}): Uint8Array {
  const source = memorySource(bytes);
  const model = inlined(readModel(source));
  const { sites, root } = findAttention(model);
  const edits = exposure(model, root, sites, options);
  return edits.length === 0 ? bytes : applyEdits(model.source, edits);
}

/** @internal The edits that `exposeAttention` makes, for a file that is copied piece by piece; names go to `added`. */
export function exposure(
  model: Model,
  root: Scope,
  sites: readonly Site[],
  options: ExposeOptions,
  added: string[] = [],
): Edit[] {
  const wanted = chosenSites(sites, options);
  const asked = options.statistics === true ? statistics : options.statistics || [];
  for (const s of asked) {
    if (!statistics.includes(s)) throw optionError("statistics", `has "${s}"`, statistics.join(", "));
  }
  const maps = options.maps ?? asked.length === 0;
  const plan = new Plan(model, root);
  const taken = new Set(model.graph.outputs.map((v) => v.name));
  for (const site of wanted) {
    if (site.ways.some(uneven)) continue;
    const places = site.ways.map((found) => mapOf(plan, found));
    if (places.some((p) => p === undefined)) continue;
    const b = plan.builder(root);
    let map = plan.hoist(places as Place[], 4);
    if (options.heads) map = b.op("Gather", [map, b.ints(...options.heads)], [intAttribute("axis", 1)]);
    const base = `${options.names?.[site.kind] ?? outputNames[site.kind]}.${site.layer}`;
    const give = (name: string, value: string, rank: number): void => {
      if (taken.has(name)) return; // the file was exported with it
      taken.add(name);
      b.named("Identity", [value], [name], []);
      plan.output(root, name, rank);
      added.push(name);
    };
    if (maps) give(base, map, 4);
    for (const s of asked) {
      const delimiters = s === "delimiters" ? delimitersOf(model, site, options.delimiters) : undefined;
      if ((s === "diagonal" && site.kind === "cross") || (s === "delimiters" && !delimiters)) continue;
      give(`${base}.${s}`, addStatistic(b, s, map, delimiters), 3);
    }
  }
  return added.length === 0 ? [] : plan.edits;
}

/** Rounds of a Loop can be handed out only when they have one shape: a decoding loop's have not, and would stop the model. */
function uneven({ rounds, scope, tap }: Found): boolean {
  if (rounds?.op !== "Loop") return false;
  const dims = tap.form === "tensor" ? scope.value(tap.tensor).dims : undefined;
  return dims?.at(-1) === undefined || dims.at(-2) === undefined;
}

function chosenSites(sites: readonly Site[], { kinds, layers, heads }: ExposeOptions): Site[] {
  const there = (list: readonly (string | number)[]): string => [...new Set(list)].join(", ") || "none";
  for (const kind of kinds ?? []) {
    if (!sites.some((s) => s.kind === kind))
      throw optionError("kinds", `has "${kind}"`, `kinds of this model: ${there(sites.map((s) => s.kind))}`);
  }
  for (const layer of layers ?? []) {
    if (!sites.some((s) => s.layer === layer))
      throw optionError("layers", `has ${layer}`, `layers of this model: ${there(sites.map((s) => s.layer))}`);
  }
  const fewest = Math.min(...sites.map((s) => s.heads ?? Number.POSITIVE_INFINITY));
  for (const head of heads ?? []) {
    if (!Number.isInteger(head) || head < 0 || head >= fewest)
      throw optionError("heads", `has ${head}`, `0 to ${fewest - 1}`);
  }
  return sites.filter((s) => (!kinds || kinds.includes(s.kind)) && (!layers || layers.includes(s.layer)));
}

const optionError = (argument: string, got: string, expected: string): OptionError =>
  new OptionError({ where: "exposeAttention", argument, got, expected });

/** The input that holds the keys' ids; none for a model with a cache, whose keys are more than the ids fed. */
function delimitersOf(model: Model, site: Site, ids: readonly number[] | undefined): Delimiters | undefined {
  if (!ids || ids.length === 0) return undefined;
  const { inputs } = model.graph;
  if (inputs.some((v) => v.name.startsWith("past"))) return undefined;
  const name = site.kind === "decoder" ? "decoder_input_ids" : "input_ids";
  const input = inputs.find((v) => v.name === name && (v.type === INT64 || v.type === INT32));
  return input && { ids, input: input.name };
}
