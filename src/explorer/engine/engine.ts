/**
 * @file The engine: everything the page asks for, computed with the library itself. Lives in a Web Worker; a one-file page
 * and the tests use it directly. Each question is answered in a file of its own; here stands which.
 */
import { OptionError, UnavailableError } from "../../tensor/index.js";
import { buildTile, QkRecord, Trace, writeTrace } from "../../trace/index.js";
import { atlasOf } from "./atlas.js";
import { badges } from "./badges.js";
import { Catalogue } from "./catalogue.js";
import { pairView, rowScores, visibleRow } from "./cell.js";
import { together } from "./groups.js";
import { headTypesView } from "./head-types-view.js";
import { layerMapsOf } from "./layer-maps.js";
import { nextChange, topGuesses } from "./predict.js";
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
import { breather } from "../../models/pause.js";
import { kindOf, Runs } from "./runs.js";
import type { Source } from "./sources.js";
import { sweepHeads } from "./sweep.js";

/** Lets other messages in. */
const breathe = breather();

export class Engine implements EngineApi {
  readonly #catalogue: Catalogue;
  readonly #runs = new Runs();

  /** @param loaders say which models are at hand; the worker passes the bundled model and the server's. */
  constructor(loaders: (() => Promise<Source[]>)[] = []) {
    this.#catalogue = new Catalogue(loaders);
  }

  async catalog(): Promise<ModelCard[]> {
    return this.#catalogue.cards();
  }

  async open(id: string, options: CallOptions = {}): Promise<ModelCard> {
    return (await this.#catalogue.open(id, options)).card;
  }

  async openFiles(files: DroppedFile[], options: CallOptions = {}): Promise<ModelCard> {
    return this.#catalogue.openFiles(files, options);
  }

  async run(asked: { model: string; text: string; edits: Edit[] }, options: CallOptions = {}): Promise<RunView> {
    const source = await this.#catalogue.open(asked.model, options);
    const start = performance.now();
    const result = await source.run(asked.text, asked.edits);
    return this.#runs.keep(source, result, asked.edits, performance.now() - start);
  }

  async layerMaps(asked: { run: number; kind: Kind; layer: number; filter: Filter }): Promise<LayerMaps> {
    const view = kindOf(this.#runs.get(asked.run), asked.kind);
    return layerMapsOf(this.#runs.record(asked), view, asked.layer, asked.filter);
  }

  async valueWeighted(asked: { run: number; kind: Kind; layer: number; filter: Filter }): Promise<LayerMaps> {
    const { valueWeightedMaps } = await import("./value-weighted.js");
    const run = this.#runs.get(asked.run);
    const maps = valueWeightedMaps(run.result.trace, run.source, kindOf(run, asked.kind), asked);
    return asked.filter.together ? together(maps, asked.filter.together) : maps;
  }

  async pair(asked: At & { query: number; key: number }): Promise<PairView> {
    return pairView(this.#runs.record(asked), asked);
  }

  async row(asked: At & { query: number }): Promise<Float32Array> {
    return visibleRow(this.#runs.record(asked), asked.head, asked.query);
  }

  async rowScores(asked: At & { query: number }): Promise<RowScores> {
    return rowScores(this.#runs.record(asked), asked.head, asked.query);
  }

  async atlas(asked: { run: number; kind: Kind; size: number }, options: CallOptions = {}): Promise<Atlas> {
    const run = this.#runs.get(asked.run);
    return atlasOf(run.result.trace, kindOf(run, asked.kind), asked.size, options, breathe);
  }

  async tile(
    asked: At & { level: number; row: number; column: number; pool: "max" | "mean" },
    options: CallOptions = {},
  ): Promise<TileView> {
    const steps = buildTile(this.#runs.record(asked), asked);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await breathe();
      options.signal?.throwIfAborted();
    }
  }

  async headTypes({ run, kind }: { run: number; kind: Kind }, options: CallOptions = {}): Promise<HeadTypesView> {
    const r = this.#runs.get(run);
    return headTypesView(r.result.trace, kindOf(r, kind), options, breathe);
  }

  async badges({ run, kind }: { run: number; kind: Kind }): Promise<Badge[]> {
    const r = this.#runs.get(run);
    return badges(r.result.trace, kind, kindOf(r, kind), breathe);
  }

  async rollout(asked: Parameters<EngineApi["rollout"]>[0]): Promise<LayerMaps> {
    const run = this.#runs.get(asked.run);
    return rolloutMaps(run.result.trace, kindOf(run, asked.kind), asked);
  }

  async flow(
    asked: { run: number; kind: Kind; output: number; residual: number },
    options: CallOptions = {},
  ): Promise<Float32Array> {
    const run = this.#runs.get(asked.run);
    return flowFrom(run.result.trace, kindOf(run, asked.kind), asked, options, breathe);
  }

  async predictions({ run, top }: { run: number; top: number }): Promise<Guess[][]> {
    const { result, source } = this.#runs.get(run);
    const length = result.trace.logits?.shape.at(-2) ?? 0;
    return Array.from({ length }, (_, i) => topGuesses(result.trace, source, i, top));
  }

  async lens({ run, top }: { run: number; top: number }): Promise<{ layer: number; rows: Guess[][] }[]> {
    const { result, source } = this.#runs.get(run);
    return source.lens?.(result, top) ?? [];
  }

  async compareNext(asked: { run: number; with: number; position?: number }): Promise<NextChange> {
    return nextChange(this.#runs.get(asked.run), this.#runs.get(asked.with), asked.position);
  }

  async sweep(
    asked: { run: number; kind?: Kind; output: Ablation },
    options: CallOptions = {},
  ): Promise<SweepResult[]> {
    const run = this.#runs.get(asked.run);
    return sweepHeads(run, asked.kind ? kindOf(run, asked.kind) : run.kinds[0]!, asked.output, options, breathe);
  }

  async generate(
    asked: { model: string; text: string; tokens: number; temperature: number; seed: number },
    options: CallOptions & { onStep?: (step: GenerationStep) => void } = {},
  ): Promise<string> {
    const source = await this.#catalogue.open(asked.model, options);
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
    const { trace } = this.#runs.get(run).result;
    if (!light) return writeTrace(trace);
    const records = trace.records.map((r) =>
      r instanceof QkRecord ? new QkRecord(r.site, r.call, r.lse, undefined, r.given) : r,
    );
    return writeTrace(new Trace({ info: trace.info, records }));
  }

  /** The trace of a run: for labs and tests in the same thread. */
  trace(run: number): Trace {
    return this.#runs.get(run).result.trace;
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
      source: (id) => this.#catalogue.open(id),
      run: (id) => this.#runs.get(id),
      keep: (source, result) => this.#runs.keep(source, result, [], 0),
    });
  }
}
