/**
 * @file The engine: everything the page asks for, computed with the library itself. Lives in a Web Worker; a one-file page
 * and the tests use it directly.
 */
import { OptionError, QkvError, readSafetensors, UnavailableError } from "../../tensor/index.js";
import { buildTile, QkRecord, readTrace, thumbnail, Trace, visibleWeights, writeTrace } from "../../trace/index.js";
import { badges } from "./badges.js";
import { fold, groupsOf, plain, together } from "./groups.js";
import { headTypesView } from "./head-types-view.js";
import { describeKinds } from "./kinds.js";
import { meanLoss, nextChange, saysOf, topGuesses, writesOn } from "./predict.js";
import type {
  Ablation,
  Atlas,
  At,
  Badge,
  CallOptions,
  DroppedFile,
  Edit,
  EngineApi,
  Filter,
  GenerationStep,
  Guess,
  HeadTypesView,
  Kind,
  KindView,
  LayerMaps,
  ModelCard,
  NextChange,
  PairView,
  RowScores,
  RunView,
  SweepResult,
  TileView,
} from "./protocol.js";
import { flowFrom, rolloutMaps } from "./relevance.js";
import { type RunResult, type Source, syntheticSource, traceSource } from "./sources.js";

/** Bytes of runs that stay open: hundreds of sentences, a few texts of ten thousand tokens. The longest unused go first. */
const keptBytes = 600e6;
/** Largest layer handed over as finished maps, in numbers; longer texts are looked at by tiles. */
export const largestLayer = 2 ** 22;

interface Run {
  id: number;
  source: Source;
  text: string;
  edits: Edit[];
  result: RunResult;
  kinds: KindView[];
}

/** Lets other messages in. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export class Engine implements EngineApi {
  readonly #sources = new Map<string, Source>();
  readonly #runs = new Map<number, Run>();
  readonly #loaders: (() => Promise<Source[]>)[];
  #counter = 0;
  #listed: Promise<void> | undefined;

  /** @param loaders say which models are at hand; the worker passes the bundled model and the server's. */
  constructor(loaders: (() => Promise<Source[]>)[] = []) {
    this.#loaders = loaders;
  }

  async catalog(): Promise<ModelCard[]> {
    this.#listed ??= this.#list();
    await this.#listed;
    return [...this.#sources.values()].map((s) => s.card);
  }

  async #list(): Promise<void> {
    for (const load of this.#loaders) for (const s of await load()) this.#sources.set(s.card.id, s);
    if (this.#sources.size === 0) this.#add(syntheticSource());
  }

  #add(source: Source): ModelCard {
    this.#sources.set(source.card.id, source);
    return source.card;
  }

  async #source(id: string, options: CallOptions = {}): Promise<Source> {
    await this.catalog();
    const source = this.#sources.get(id);
    if (!source) {
      throw new OptionError({
        where: "explore",
        argument: `model "${id}"`,
        got: "is not here",
        expected: `one of ${[...this.#sources.keys()].join(", ")}`,
        fix: "choose another model or drop its folder on the page",
      });
    }
    await source.open(options);
    return source;
  }

  async open(id: string, options: CallOptions = {}): Promise<ModelCard> {
    return (await this.#source(id, options)).card;
  }

  async openFiles(files: DroppedFile[], options: CallOptions = {}): Promise<ModelCard> {
    const only = files.length === 1 ? files[0]! : undefined;
    const { arraysTrace, holdsArrays } = await import("./arrays.js");
    if (files.every((f) => holdsArrays(f.path))) {
      const given = files.map((f) => ({ path: f.path, bytes: new Uint8Array(f.bytes) }));
      return this.#add(traceSource(await arraysTrace(given), files[0]!.path));
    }
    if (only && /\.safetensors$/.test(only.path)) {
      const bytes = new Uint8Array(only.bytes);
      const isArrays = await arraysIn(bytes, only.path);
      return this.#add(traceSource(isArrays ?? readTrace(bytes, only.path), only.path));
    }
    const { filesSource } = await import("./models.js");
    const source = await filesSource(files, options);
    return this.#add(source);
  }

  async run(asked: { model: string; text: string; edits: Edit[] }, options: CallOptions = {}): Promise<RunView> {
    const source = await this.#source(asked.model, options);
    const start = performance.now();
    const result = await source.run(asked.text, asked.edits);
    const milliseconds = performance.now() - start;
    return this.#keep(source, result, asked.edits, milliseconds);
  }

  #keep(source: Source, result: RunResult, edits: Edit[], milliseconds: number): RunView {
    const id = ++this.#counter;
    const kinds = describeKinds(result.trace);
    this.#runs.set(id, { id, source, text: result.text, edits, result, kinds });
    this.#closeOld();
    const { trace } = result;
    return {
      id,
      model: source.card,
      text: result.text,
      kinds,
      ...(writesOn(trace) && { next: topGuesses(trace, source, -1, 12) }),
      edits,
      provenance: { ...trace.info.provenance },
      notes: result.notes,
      milliseconds,
      hasLogits: writesOn(trace),
      says: saysOf(trace, source.model as { vocabularySize: number } | undefined),
      hasHiddenStates: trace.hiddenStates.length > 0,
    };
  }

  #closeOld(): void {
    let bytes = 0;
    for (const [id, run] of [...this.#runs].reverse()) {
      bytes += bytesOf(run.result.trace);
      if (bytes > keptBytes && id !== this.#counter) this.#runs.delete(id);
    }
  }

  #run(id: number): Run {
    const run = this.#runs.get(id);
    if (run) {
      this.#runs.delete(id); // the latest used stands last
      this.#runs.set(id, run);
      return run;
    }
    throw new UnavailableError({
      where: "explore",
      argument: `run ${id}`,
      got: "is closed",
      fix: "run the text again",
    });
  }

  #kind(run: Run, kind: Kind): KindView {
    const found = run.kinds.find((k) => k.kind === kind);
    if (found) return found;
    throw new OptionError({
      where: "explore",
      argument: "kind",
      got: `is "${kind}"`,
      expected: run.kinds.map((k) => k.kind).join(", "),
    });
  }

  async layerMaps({
    run: id,
    kind,
    layer,
    filter,
  }: {
    run: number;
    kind: Kind;
    layer: number;
    filter: Filter;
  }): Promise<LayerMaps> {
    const run = this.#run(id);
    const view = this.#kind(run, kind);
    const record = run.result.trace.record(layer, kind);
    const { heads, queries, keys } = record;
    if (heads * queries * keys > largestLayer) {
      throw new OptionError({
        where: "explore",
        argument: "the layer",
        got: `has ${heads} maps of ${queries} × ${keys}`,
        expected: `at most ${largestLayer} numbers at once`,
        fix: "use the map view, which reads tiles",
      });
    }
    const rows = groupsOf(view.rows, filter);
    const columns = groupsOf(view.columns, filter);
    const parts: Float32Array[] = [];
    for (let head = 0; head < heads; head++) {
      const map = visibleWeights(record, { head });
      parts.push(plain(filter) ? map : fold(map, keys, rows, columns, filter.renormalise));
    }
    const size = rows.length * columns.length;
    const values = new Float32Array(heads * size);
    parts.forEach((p, h) => values.set(p, h * size));
    const maps = { kind, layer, heads, rows, columns, values };
    return filter.together ? together(maps, filter.together) : maps;
  }

  async valueWeighted(asked: { run: number; kind: Kind; layer: number; filter: Filter }): Promise<LayerMaps> {
    const { valueWeightedMaps } = await import("./value-weighted.js");
    const run = this.#run(asked.run);
    const maps = valueWeightedMaps(run.result.trace, run.source, this.#kind(run, asked.kind), asked);
    return asked.filter.together ? together(maps, asked.filter.together) : maps;
  }

  async pair(asked: At & { query: number; key: number }): Promise<PairView> {
    const { run: id, kind, layer, head, query, key } = asked;
    const record = this.#run(id).result.trace.record(layer, kind);
    const row = visibleWeights(record, { head, rows: [query, query + 1] });
    const weight = row[key]!;
    let rank = 1;
    let visible = 0;
    for (const w of row) {
      if (Number.isNaN(w)) continue;
      visible++;
      if (w > weight) rank++;
    }
    const norms = valueNorms(record, head, row);
    const base = {
      layer,
      head,
      query,
      key,
      rank,
      visible,
      valueNorm: norms?.norm(key) ?? null,
      valueShare: norms?.share(key) ?? null,
    };
    if (!(record instanceof QkRecord)) {
      const none = Number.NaN;
      const empty = new Float32Array(0);
      return { ...base, q: empty, k: empty, dot: none, scale: none, scaled: none, softcap: null, capped: none, bias: none, masked: Number.isNaN(weight), score: none, lse: none, weight: Number.isNaN(weight) ? 0 : weight }; // biome-ignore format: one record
    }
    const pair = record.pair(0, head, query, key);
    return { ...base, ...pair, q: pair.q.slice(), k: pair.k.slice(), softcap: record.call.softcap ?? null };
  }

  async row({ run, kind, layer, head, query }: At & { query: number }): Promise<Float32Array> {
    return visibleWeights(this.#run(run).result.trace.record(layer, kind), { head, rows: [query, query + 1] });
  }

  async rowScores({ run, kind, layer, head, query }: At & { query: number }): Promise<RowScores> {
    const record = this.#run(run).result.trace.record(layer, kind);
    if (!(record instanceof QkRecord)) {
      throw new UnavailableError({ where: "explore", argument: "the trace", got: "holds finished maps, no q and k" });
    }
    const weight = visibleWeights(record, { head, rows: [query, query + 1] });
    const dot = new Float64Array(record.keys);
    const score = new Float64Array(record.keys);
    for (let j = 0; j < record.keys; j++) {
      const p = record.pair(0, head, query, j);
      dot[j] = p.dot;
      score[j] = p.score;
    }
    return { query, dot, score, weight };
  }

  async atlas(
    { run: id, kind, size }: { run: number; kind: Kind; size: number },
    options: CallOptions = {},
  ): Promise<Atlas> {
    const run = this.#run(id);
    const { layers, heads, queries, keys } = this.#kind(run, kind);
    const [R, C] = [Math.min(size, queries), Math.min(size, keys)];
    const values = new Float32Array(layers.length * heads * size * size).fill(Number.NaN);
    let done = 0;
    for (const [l, layer] of layers.entries()) {
      const record = run.result.trace.record(layer, kind);
      for (let head = 0; head < heads; head++) {
        const small = await this.#thumbnail(record, head, size, options.signal);
        for (let r = 0; r < R; r++) {
          values.set(small.subarray(r * C, (r + 1) * C), ((l * heads + head) * size + r) * size);
        }
        options.onProgress?.(++done, layers.length * heads, "heads drawn");
      }
    }
    return { size, layers: [...layers], heads, values };
  }

  /** A head's thumbnail; of a long text two rows of each band are read, which the page says: all of them would take a minute. */
  async #thumbnail(
    record: ReturnType<Trace["record"]>,
    head: number,
    size: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { queries, keys } = record;
    if (queries * keys <= 2 ** 20) return thumbnail(visibleWeights(record, { head }), queries, keys, size).values;
    const [R, C] = [Math.min(size, queries), Math.min(size, keys)];
    const out = new Float32Array(R * C).fill(Number.NaN);
    for (let r = 0; r < R; r++) {
      const rows: [number, number] = [Math.ceil((r * queries) / R), Math.ceil(((r + 1) * queries) / R)];
      const one = rows[0] + Math.floor((rows[1] - rows[0]) / 2); // a row in the middle stands for its band
      const part = visibleWeights(record, { head, rows: [one, Math.min(rows[1], one + 2)] });
      for (let n = 0; n < part.length; n++) {
        const at = r * C + Math.floor(((n % keys) * C) / keys);
        if (!Number.isNaN(part[n]!) && !(out[at]! >= part[n]!)) out[at] = part[n]!;
      }
      await breathe();
      signal?.throwIfAborted();
    }
    return out;
  }

  async tile(
    {
      run,
      kind,
      layer,
      head,
      level,
      row,
      column,
      pool,
    }: At & { level: number; row: number; column: number; pool: "max" | "mean" },
    options: CallOptions = {},
  ): Promise<TileView> {
    const record = this.#run(run).result.trace.record(layer, kind);
    const steps = buildTile(record, { head, level, row, column, pool });
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await breathe();
      options.signal?.throwIfAborted();
    }
  }

  async headTypes({ run, kind }: { run: number; kind: Kind }, options: CallOptions = {}): Promise<HeadTypesView> {
    const r = this.#run(run);
    return headTypesView(r.result.trace, this.#kind(r, kind), options, breathe);
  }

  async badges({ run, kind }: { run: number; kind: Kind }): Promise<Badge[]> {
    const r = this.#run(run);
    return badges(r.result.trace, kind, r.kinds.find((k) => k.kind === kind)!);
  }

  async rollout(asked: Parameters<EngineApi["rollout"]>[0]): Promise<LayerMaps> {
    const run = this.#run(asked.run);
    return rolloutMaps(run.result.trace, this.#kind(run, asked.kind), asked);
  }

  async flow(
    asked: { run: number; kind: Kind; output: number; residual: number },
    options: CallOptions = {},
  ): Promise<Float32Array> {
    const run = this.#run(asked.run);
    return flowFrom(run.result.trace, this.#kind(run, asked.kind), asked, options, breathe);
  }

  async predictions({ run, top }: { run: number; top: number }): Promise<Guess[][]> {
    const { result, source } = this.#run(run);
    const length = result.trace.logits?.shape.at(-2) ?? 0;
    return Array.from({ length }, (_, i) => topGuesses(result.trace, source, i, top));
  }

  async lens({ run, top }: { run: number; top: number }): Promise<{ layer: number; rows: Guess[][] }[]> {
    const { result, source } = this.#run(run);
    return source.lens?.(result, top) ?? [];
  }

  async compareNext(asked: { run: number; with: number; position?: number }): Promise<NextChange> {
    return nextChange(this.#run(asked.run), this.#run(asked.with), asked.position);
  }

  async sweep(
    { run: id, kind: of, output }: { run: number; kind?: Kind; output: Ablation },
    options: CallOptions = {},
  ): Promise<SweepResult[]> {
    const run = this.#run(id);
    const { layers, heads, kind } = of ? this.#kind(run, of) : run.kinds[0]!;
    const results: SweepResult[] = [];
    for (const layer of layers) {
      for (let head = 0; head < heads; head++) {
        await breathe();
        options.signal?.throwIfAborted();
        const result = await run.source.run(run.text, [...run.edits, { kind, layer, head, ...ablation(output) }]);
        const change = nextChange(run, { ...run, result });
        results.push({
          layer,
          head,
          kl: change.kl,
          target: change.target ? change.target.after - change.target.before : 0,
          loss: (change.lossAfter ?? 0) - (change.lossBefore ?? 0),
          moved: change.moved?.mean ?? Number.NaN,
        });
        options.onProgress?.(results.length, layers.length * heads, "heads tried");
      }
    }
    return results;
  }

  async generate(
    asked: { model: string; text: string; tokens: number; temperature: number; seed: number },
    options: CallOptions & { onStep?: (step: GenerationStep) => void } = {},
  ): Promise<string> {
    const source = await this.#source(asked.model, options);
    if (!source.generate) {
      throw new UnavailableError({
        where: "explore",
        argument: source.card.name,
        got: "cannot generate text",
        fix: "choose a model that predicts the next token",
      });
    }
    return source.generate(asked, options, breathe);
  }

  async traceFile({ run, light }: { run: number; light?: boolean }): Promise<Uint8Array> {
    const { trace } = this.#run(run).result;
    if (!light) return writeTrace(trace);
    const records = trace.records.map((r) => (r instanceof QkRecord ? new QkRecord(r.site, r.call, r.lse) : r));
    return writeTrace(new Trace({ info: trace.info, records }));
  }

  /** The trace of a run: for labs and tests in the same thread. */
  trace(run: number): Trace {
    return this.#run(run).result.trace;
  }

  async lab(
    name: string,
    asked: unknown,
    options: CallOptions & { onStep?: (step: unknown) => void } = {},
  ): Promise<unknown> {
    const { labs } = await import("./labs.js");
    const call = labs[name];
    if (!call)
      throw new OptionError({
        where: "explore",
        argument: "lab",
        got: `is "${name}"`,
        expected: Object.keys(labs).join(", "),
      });
    return call(asked, options, {
      breathe,
      source: (id) => this.#source(id),
      run: (id) => this.#run(id),
      keep: (source, result) => this.#keep(source, result, [], 0),
    });
  }

  /** Mean loss of a run's own text, nats a token. */
  async loss(run: number): Promise<number | null> {
    return meanLoss(this.#run(run).result.trace);
  }
}

/** A way of taking a head out, as an edit. */
const ablation = (how: Ablation): Pick<Edit, "output" | "mask"> =>
  how === "zero" || how === "mean" ? { output: how } : { mask: how };

function bytesOf(trace: Trace): number {
  let numbers = trace.logits?.size ?? 0;
  for (const state of [...trace.hiddenStates, ...trace.encoderHiddenStates]) numbers += state.size;
  for (const r of trace.records) {
    numbers +=
      r instanceof QkRecord
        ? r.call.q.tensor.size + r.call.k.tensor.size + (r.values?.size ?? 0)
        : r.batch * r.heads * r.queries * r.keys;
  }
  return numbers * 4;
}

function valueNorms(record: ReturnType<Trace["record"]>, head: number, row: Float32Array) {
  if (!(record instanceof QkRecord) || !record.values) return undefined;
  const [, Hk, Lk, Dv] = record.values.shape as [number, number, number, number];
  const at = Math.floor((head * Hk) / record.heads) * Lk;
  const { data } = record.values;
  const norm = (j: number): number => Math.hypot(...data.subarray((at + j) * Dv, (at + j + 1) * Dv));
  let total = 0;
  row.forEach((w, j) => {
    if (!Number.isNaN(w)) total += w * norm(j);
  });
  return { norm, share: (j: number) => (total > 0 && !Number.isNaN(row[j]!) ? (row[j]! * norm(j)) / total : 0) };
}

/** A safetensors file with q and k but no trace in it. */
async function arraysIn(bytes: Uint8Array, path: string): Promise<Trace | undefined> {
  const { arraysTrace } = await import("./arrays.js");
  try {
    if (readSafetensors(bytes, path).metadata["qkv"] !== undefined) return undefined;
    return await arraysTrace([{ path, bytes }]);
  } catch {
    return undefined; // what is wrong with it is said by who reads traces
  }
}

export { QkvError };
