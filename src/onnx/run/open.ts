/**
 * @file `openOnnx`: any ONNX Transformer, with its attention.
 *
 *     file ─ read the graph ─ find attention ─ append outputs ─ onnxruntime ─ the model's outputs
 *                                                                          └ a trace, as from our own models
 */
import type { AttentionKind } from "../../attention/listen.js";
import { FileError, OptionError } from "../../tensor/index.js";
import { type AttentionRecord, type Sequence, Trace } from "../../trace/index.js";
import { findAttention, type Site } from "../find/find.js";
import { Plan } from "../edit/plan.js";
import type { Model, ValueInfo } from "../proto/model.js";
import { inlined, sourceOf } from "../proto/inline.js";
import { readModel } from "../proto/read.js";
import { applyEdits } from "../wire/splice.js";
import { type ByteSource, fileSource, memorySource } from "../wire/source.js";
import { refuse } from "../wire/refuse.js";
import type { Scope } from "../graph/scope.js";
import { checkedFiles, checkedFolder, type ExternalFiles } from "./external.js";
import { type Feed, toOrt } from "./feed.js";
import { addOutputs, type SiteOutputs } from "./outputs.js";
import { described } from "./sequences.js";
import { loadRuntime, type Ort, type OrtSession, type Runtime, type RuntimeName } from "./runtime.js";
import {
  type AttentionInfo,
  attentionInfo,
  batchOf,
  type OutputTensor,
  outputTensor,
  type PortInfo,
  portInfo,
} from "./told.js";

export interface OpenOptions {
  /** Default: onnxruntime-node in Node where it is installed, else onnxruntime-web. A loaded onnxruntime module serves too. */
  runtime?: RuntimeName | Ort | undefined;
  /** Weights outside of the file, for a model given as bytes: the paths are those that the file names. */
  externalData?: ExternalFiles | undefined;
  /** Passed on to onnxruntime: executionProviders, intraOpNumThreads … */
  session?: Record<string, unknown> | undefined;
  /** What to call the model in traces and errors; default: its path. */
  name?: string | undefined;
}

export interface RunOptions {
  /** Layers to look at; default all. */
  layers?: readonly number[] | undefined;
  kinds?: readonly AttentionKind[] | undefined;
  /** Keep finished maps instead of q and k, also where both would do. Default false: maps cost O(T²) a head. */
  maps?: boolean | undefined;
  /** Keep the values beside q and k, where they are. Default false, as for models of our own. */
  values?: boolean | undefined;
  /** Texts and tokens of the sequences, where the caller knows them. */
  sequences?: Sequence[] | undefined;
  sources?: Sequence[] | undefined;
}

interface Open {
  session: OrtSession;
  taps: SiteOutputs[];
  runtime: Runtime;
}

export class OnnxModel {
  readonly attentions: AttentionInfo[];
  readonly inputs: PortInfo[];
  readonly outputs: PortInfo[];
  /** Softmaxes in all: one that is no attention is a classifier's, a router's or a sampler's. */
  readonly softmaxes: number;
  /** Its path, or what it was called. */
  readonly name: string;
  readonly #model: Model;
  readonly #root: Scope;
  readonly #sites: Site[];
  readonly #ports: { inputs: ValueInfo[]; outputs: ValueInfo[] };
  readonly #options: OpenOptions;
  readonly #path: string | undefined;
  readonly #folder: string | undefined;
  /** Attentions whose q and k did not give the graph's own row sums again. */
  readonly #unproven = new Set<Site>();
  /** Attentions in Loops whose rounds have several shapes. */
  readonly #uneven = new Set<Site>();
  #open: Promise<Open> | undefined;
  #maps = false;

  /** @internal use `openOnnx` */
  constructor(model: Model, path: string | undefined, folder: string | undefined, options: OpenOptions) {
    const { sites, root, softmaxes } = findAttention(model);
    this.softmaxes = softmaxes;
    this.#model = model;
    this.#root = root;
    this.#path = path;
    this.#folder = folder;
    this.#options = options;
    this.#sites = sites;
    this.name = options.name ?? path ?? (model.graph.name || "ONNX model");
    const { graph } = model;
    // Old files list their weights among the inputs.
    this.#ports = { inputs: graph.inputs.filter((v) => !graph.initializers.has(v.name)), outputs: graph.outputs };
    this.attentions = sites.map(attentionInfo);
    this.inputs = this.#ports.inputs.map(portInfo);
    this.outputs = this.#ports.outputs.map(portInfo);
  }

  /** The class the model was exported from where the file tells ("BertModel"), else the graph's name. */
  get architecture(): string {
    for (const node of this.#model.graph.nodes) {
      const classes = node.metadata?.get("pkg.torch.onnx.class_hierarchy");
      const first = classes && /'([\w.]+)'/.exec(classes)?.[1];
      if (first?.includes(".")) return first.split(".").at(-1)!;
    }
    return this.#model.graph.name || "ONNX";
  }

  /**
   * Runs the model.
   * @param feeds by input name: `{ data, shape }`; whole numbers as BigInt64Array or number[]
   * @returns the model's own outputs, and a trace of the attentions asked for
   * Cost: the model's own, a copy of q and k (or of the map) per attention.
   * @throws {OptionError} for feeds that are missing or unknown, {FileError} for what onnxruntime cannot run
   */
  async run(
    feeds: Record<string, Feed>,
    options: RunOptions = {},
  ): Promise<{ outputs: Record<string, OutputTensor>; trace: Trace }> {
    const chosen = this.#chosen(options);
    const { session, taps, runtime } = await this.#session(options.maps ?? false);
    const wanted = taps.filter((t) => chosen.has(t.site));
    const own = this.#ports.outputs.map((v) => v.name);
    const tensors = toOrt(runtime.ort, this.#ports.inputs, feeds);
    const fetches = [...own, ...wanted.flatMap((t) => [...t.names, ...(options.values && t.values ? [t.values] : [])])];
    const results = await session.run(tensors, fetches).catch((error: unknown) => {
      if (taps.some((t) => t.rounds)) return undefined;
      throw new FileError(
        { where: "run", argument: this.name, got: `could not be run: ${firstLine(error)}` },
        { cause: error },
      );
    });
    if (results === undefined) {
      await this.#withoutRounds(taps);
      return this.run(feeds, options);
    }
    const records: AttentionRecord[] = [];
    const batch = batchOf(this.#ports.inputs, feeds);
    for (const tap of wanted) {
      const record = tap.record(results, batch);
      if (record === null) this.#unproven.add(tap.site);
      else if (record) records.push(record);
    }
    if (wanted.some((t) => this.#unproven.has(t.site) && t.names.length > 2)) {
      await this.#close();
      return this.run(feeds, options);
    }
    const outputs = Object.fromEntries(own.map((name) => [name, outputTensor(results[name]!)]));
    return { outputs, trace: this.#trace(records, feeds, options, runtime) };
  }

  /** Gives onnxruntime's memory back. The model can be run again; it is then loaded again. */
  async release(): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await (await open?.catch(() => undefined))?.session.release();
  }

  /** After a run that failed: rounds of a Loop may differ in shape, and then their maps cannot be handed out. */
  async #withoutRounds(taps: readonly SiteOutputs[]): Promise<void> {
    for (const { site } of taps.filter((t) => t.rounds)) {
      this.#uneven.add(site);
      this.attentions[this.#sites.indexOf(site)]!.tapped =
        `hidden: rounds of ${site.ways[0]!.rounds!.op} that differ in shape`;
    }
    await this.#close();
  }

  #chosen({ layers, kinds }: RunOptions): Set<Site> {
    for (const kind of kinds ?? []) {
      if (!this.#sites.some((s) => s.kind === kind)) {
        const there = [...new Set(this.#sites.map((s) => s.kind))].join(", ") || "none";
        throw new OptionError({
          where: "run",
          argument: "kinds",
          got: `has "${kind}"`,
          expected: `kinds of this model: ${there}`,
        });
      }
    }
    for (const layer of layers ?? []) {
      if (!this.#sites.some((s) => s.layer === layer)) {
        const most = Math.max(-1, ...this.#sites.map((s) => s.layer));
        throw new OptionError({
          where: "run",
          argument: "layers",
          got: `has ${layer}`,
          expected: most < 0 ? "none: there is no attention in this model" : `0 to ${most}`,
        });
      }
    }
    return new Set(
      this.#sites.filter((s) => (!layers || layers.includes(s.layer)) && (!kinds || kinds.includes(s.kind))),
    );
  }

  async #session(maps: boolean): Promise<Open> {
    if (this.#open && this.#maps !== maps) await this.#close();
    this.#maps = maps;
    this.#open ??= this.#load(maps).catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }

  async #load(maps: boolean): Promise<Open> {
    const runtime = await loadRuntime(this.#options.runtime);
    const plan = new Plan(this.#model, this.#root);
    const taps = this.#sites
      .filter((site) => !this.#uneven.has(site))
      .map((site) => addOutputs(plan, site, !maps && !this.#unproven.has(site)))
      .filter((t) => t !== undefined);
    const source = this.#path === undefined ? this.#model.source : sourceOf(this.#model, await fileSource(this.#path));
    try {
      const bytes = applyEdits(source, plan.edits);
      const session = await runtime.ort.InferenceSession.create(
        bytes,
        this.#sessionOptions(runtime, await this.#outside(runtime)),
      );
      return { session, taps, runtime };
    } catch (error) {
      if (error instanceof FileError) throw error;
      throw new FileError(
        { where: "openOnnx", argument: this.name, got: `could not be loaded: ${firstLine(error)}` },
        { cause: error },
      );
    } finally {
      if (this.#path !== undefined) source.close();
    }
  }

  /** Weights outside of the file, for a runtime that does not look for them itself. */
  async #outside(runtime: Runtime): Promise<ExternalFiles | undefined> {
    if (this.#options.externalData) return this.#options.externalData;
    if (this.#folder === undefined || runtime.name === "node") return undefined;
    const { readFileSync } = await import("node:fs");
    const { join } = await import("node:path");
    const { externalFiles } = await import("./external.js");
    return [...externalFiles(this.#model).keys()].map((path) => ({
      path,
      data: readFileSync(join(this.#folder!, path)),
    }));
  }

  #sessionOptions(runtime: Runtime, externalData: ExternalFiles | undefined): Record<string, unknown> {
    // Errors are thrown; onnxruntime need not print them too.
    const options: Record<string, unknown> = { logSeverityLevel: 4, ...this.#options.session };
    if (externalData) options["externalData"] = externalData;
    else if (this.#folder !== undefined && runtime.name === "node") {
      options["extra"] = {
        ...(options["extra"] as object),
        session: { model_external_initializers_file_folder_path: this.#folder },
      };
    }
    return options;
  }

  #trace(records: AttentionRecord[], feeds: Record<string, Feed>, options: RunOptions, runtime: Runtime): Trace {
    const { sequences, sources } = described(records, feeds, options);
    return new Trace({
      info: {
        model: this.name,
        architecture: this.architecture,
        sequences,
        ...(sources && { sources }),
        provenance: { engine: runtime.title },
      },
      records,
    });
  }
}

/**
 * Opens an ONNX model and finds its attention. onnxruntime is not needed before the first `run`.
 * @param file a path (Node), or the file's bytes
 * @throws {FileError} in one line, for what is no ONNX model or names weights that are not where they should be
 * @example
 * const model = await openOnnx("model.onnx");
 * model.attentions   // [{ kind: "self", layer: 0, heads: 12, tapped: "/encoder/layer.0/…", source: "node names" }, …]
 * const { outputs, trace } = await model.run({ input_ids: { data: [101, 7592, 102], shape: [1, 3] }, … });
 * trace.weights({ layer: 0, head: 3 })   // [1, 1, 3, 3]
 */
export async function openOnnx(file: string | Uint8Array | ArrayBuffer, options: OpenOptions = {}): Promise<OnnxModel> {
  if (typeof file === "string") {
    const source = await openFile(file);
    try {
      const model = inlined(readModel(source));
      return new OnnxModel(model, file, options.externalData ? undefined : await checkedFolder(model, file), options);
    } finally {
      source.close();
    }
  }
  const model = inlined(readModel(memorySource(asBytes(file), options.name)));
  if (options.externalData) checkedFiles(model, options.externalData);
  else checkedFiles(model, []);
  return new OnnxModel(model, undefined, undefined, options);
}

export async function openFile(path: string): Promise<ByteSource> {
  const { statSync } = await import("node:fs");
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) refuse(path, "is not there", "give the path of an .onnx file");
  if (!stats.isFile())
    refuse(path, stats.isDirectory() ? "is a folder" : "is no file", "give the path of the .onnx file in it");
  return fileSource(path);
}

export function asBytes(file: unknown): Uint8Array {
  if (file instanceof Uint8Array) return file;
  if (file instanceof ArrayBuffer) return new Uint8Array(file);
  throw new OptionError({
    where: "openOnnx",
    argument: "file",
    got: `is ${file === null ? "null" : typeof file}`,
    expected: "a path, or the file's bytes as a Uint8Array",
  });
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.trim().slice(0, 300);
