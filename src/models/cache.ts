/** @file What a generation remembers between steps: keys and values of every attention, and which tokens are padding. */
import { type HeadsView, KeyValueCache } from "../attention/index.js";
import type { AttentionKind, Site } from "../attention/listen.js";

/** Keys and values of one attention as it finds them. */
export interface Memory {
  k: HeadsView;
  v: HeadsView;
  queryOffset: number;
}

/** The caches of a model's attentions. */
export class Cache {
  /** By kind, then layer. */
  readonly #layers: Partial<Record<AttentionKind, KeyValueCache[]>> = {};
  readonly #fixed: Partial<Record<AttentionKind, Memory[]>> = {};
  readonly #keepAll: boolean;
  /** [B, tokens so far] of 1 = real token, 0 = padding; undefined while nothing is padded. */
  mask: Uint8Array | undefined;
  /** Tokens read so far, padding included. */
  length = 0;

  /** @param options.keepAll  keep tokens that have left every window too: a trace shows them, edits count them */
  constructor({ keepAll = false }: { keepAll?: boolean } = {}) {
    this.#keepAll = keepAll;
  }

  /** Adds a step's keys and values and gives all that its queries may see. `window`: tokens seen, the own included. */
  append({ kind, layer }: Site, k: HeadsView, v: HeadsView, window?: number): Memory {
    const layers = (this.#layers[kind] ??= []);
    const left = window === undefined || this.#keepAll ? undefined : window - 1;
    return (layers[layer] ??= new KeyValueCache({ window: left })).append(k, v);
  }

  /** Keys and values that no step changes (of an encoder's result): computed once, then remembered. */
  fixed({ kind, layer }: Site, compute: () => { k: HeadsView; v: HeadsView }): Memory {
    const known = (this.#fixed[kind] ??= []);
    if (!known[layer]) {
      const { k, v } = compute();
      const cache = new KeyValueCache({ capacity: k.length });
      known[layer] = { ...cache.append(k, v), queryOffset: 0 };
      (this.#layers[kind] ??= [])[layer] = cache;
    }
    return known[layer];
  }

  /** Gives all memory back. */
  free(): void {
    for (const kind of Object.keys(this.#layers) as AttentionKind[]) {
      for (const layer of this.#layers[kind]!) layer?.clear();
      this.#layers[kind] = this.#fixed[kind] = undefined;
    }
    this.length = 0;
    this.mask = undefined;
  }
}
