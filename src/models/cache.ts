/** @file What a generation remembers between steps: keys and values of every attention, and which tokens are padding. */
import { type HeadsView, KeyValueCache } from "../attention/index.js";
import type { Site } from "../attention/listen.js";

/** Keys and values of one attention as it finds them. */
export interface Memory {
  k: HeadsView;
  v: HeadsView;
  queryOffset: number;
}

/** The caches of a model's attentions. */
export class Cache {
  readonly #layers = new Map<string, KeyValueCache>();
  readonly #fixed = new Map<string, Memory>();
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
    const name = `${kind}.${layer}`;
    let found = this.#layers.get(name);
    if (!found) {
      const left = window === undefined || this.#keepAll ? undefined : window - 1;
      found = new KeyValueCache({ window: left });
      this.#layers.set(name, found);
    }
    return found.append(k, v);
  }

  /** Keys and values that no step changes (of an encoder's result): computed once, then remembered. */
  fixed({ kind, layer }: Site, compute: () => { k: HeadsView; v: HeadsView }): Memory {
    const name = `${kind}.${layer}`;
    let found = this.#fixed.get(name);
    if (!found) {
      const { k, v } = compute();
      const cache = new KeyValueCache({ capacity: k.length });
      found = { ...cache.append(k, v), queryOffset: 0 };
      this.#layers.set(name, cache);
      this.#fixed.set(name, found);
    }
    return found;
  }

  /** Gives all memory back. */
  free(): void {
    for (const layer of this.#layers.values()) layer.clear();
    this.#layers.clear();
    this.#fixed.clear();
    this.length = 0;
    this.mask = undefined;
  }
}
