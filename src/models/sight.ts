/** @file Who sees whom in one pass, worked out once for all layers that see alike. */
import { attentionRule } from "../attention/index.js";
import type { AttentionRule } from "../kernels/kernel.js";

/** What the layers of one stack may see. */
export class Sight {
  readonly #batch: number;
  readonly #queries: number;
  readonly #causal: boolean;
  readonly #padding: Uint8Array | undefined;
  readonly #rules = new Map<string, AttentionRule>();
  /** What the layer before asked for, and got: the next one asks the same as a rule. */
  #last: { keys: number; queryOffset: number; window: number | undefined; rule: AttentionRule } | undefined;

  /** @param padding  [B, all keys so far], 1 = real token; undefined: nothing is padded */
  constructor(batch: number, queries: number, causal: boolean, padding: Uint8Array | undefined) {
    this.#batch = batch;
    this.#queries = queries;
    this.#causal = causal;
    this.#padding = padding;
  }

  /**
   * The rule over the last `keys` keys.
   * @param queryOffset  position of the first query among them
   * @param window       how many keys a query sees, its own the last of them
   */
  rule(keys: number, queryOffset: number, window?: number): AttentionRule {
    const last = this.#last;
    if (last?.keys === keys && last.queryOffset === queryOffset && last.window === window) return last.rule;
    const name = `${keys} ${queryOffset} ${window}`;
    let found = this.#rules.get(name);
    if (!found) {
      found = attentionRule(
        {
          ...(this.#causal && { causal: true }),
          ...(window !== undefined && { window: { left: window - 1 } }),
          ...(this.#padding && { keyPadding: this.#lastKeys(this.#padding, keys) }),
          queryOffset,
        },
        { batch: this.#batch, heads: 1, keyHeads: 1, queries: this.#queries, keys, headDim: 1 } as never,
      );
      this.#rules.set(name, found);
    }
    this.#last = { keys, queryOffset, window, rule: found };
    return found;
  }

  #lastKeys(padding: Uint8Array, keys: number): { data: Uint8Array; shape: number[] } {
    const all = padding.length / this.#batch;
    if (all === keys) return { data: padding, shape: [this.#batch, keys] };
    const data = new Uint8Array(this.#batch * keys);
    for (let b = 0; b < this.#batch; b++) {
      data.set(padding.subarray((b + 1) * all - keys, (b + 1) * all), b * keys);
    }
    return { data, shape: [this.#batch, keys] };
  }
}
