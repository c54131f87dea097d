/** @file The models and traces at hand: those the loaders name, and what is dropped on the page. */
import { OptionError, readSafetensors } from "../../tensor/index.js";
import { readTrace, type Trace } from "../../trace/index.js";
import type { CallOptions, DroppedFile, ModelCard } from "./protocol.js";
import { type Source, syntheticSource, traceSource } from "./sources.js";

export class Catalogue {
  readonly #sources = new Map<string, Source>();
  readonly #loaders: (() => Promise<Source[]>)[];
  #listed: Promise<void> | undefined;

  constructor(loaders: (() => Promise<Source[]>)[]) {
    this.#loaders = loaders;
  }

  async cards(): Promise<ModelCard[]> {
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

  /** A source that is ready to run; without a name the first. */
  async open(id: string, options: CallOptions = {}): Promise<Source> {
    await this.cards();
    const source = id === "" ? [...this.#sources.values()][0] : this.#sources.get(id);
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
