/**
 * @file The one hook on attention: who listens sees every call, and may change it.
 *
 * A model names each of its attentions by a `Site`. While `withListener` runs, the listener is shown each call before
 * the kernel has it (and may hand back another one: a mask, a scale) and each result after (and may hand back another
 * output: a head silenced or scaled). Recording a trace and editing a model are both nothing but listeners.
 */
import type { AttentionCall, AttentionResult } from "../kernels/kernel.js";
import type { Tensor } from "../tensor/index.js";

/** Which of a stack's attentions this is. */
export type AttentionKind = "self" | "encoder" | "decoder" | "cross";

/** Where in a model an attention stands. `self`: a model with one stack; the other three: an encoder–decoder. */
export interface Site {
  kind: AttentionKind;
  layer: number;
}

/** What a listener hears, and may hand back changed. */
export interface HeardResult extends AttentionResult {
  /** Maps that were given outright, by head, [B, Lq, Lk]: these heads' outputs come from them and not from q and k. */
  maps?: ReadonlyMap<number, Tensor> | undefined;
}

export interface AttentionListener {
  /** Before the kernel works; what it returns is computed instead. */
  before?(site: Site, call: AttentionCall): AttentionCall;
  /** After the kernel worked; what it returns goes on through the model instead of `result.output`. */
  after?(site: Site, call: AttentionCall, result: HeardResult): HeardResult;
}

let listeners: readonly AttentionListener[] = [];

/** Runs `body` with one more listener; listeners are asked in the order they were added. */
export function withListener<T>(listener: AttentionListener, body: () => T): T {
  const before = listeners;
  listeners = [...before, listener];
  try {
    return body();
  } finally {
    listeners = before;
  }
}

/** @internal Computes a call for a site, with every listener asked. */
export function listened(
  site: Site,
  call: AttentionCall,
  compute: (call: AttentionCall) => AttentionResult,
): AttentionResult {
  let asked = call;
  for (const l of listeners) if (l.before) asked = l.before(site, asked);
  let result: HeardResult = compute(asked);
  for (const l of listeners) if (l.after) result = l.after(site, asked, result);
  return result;
}
