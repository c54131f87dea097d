/**
 * @file How a model attends: heads read where its projections left them, shown to whoever listens.
 *
 * The same options and rules as `attention`; what differs is that operands are views, so nothing is split or merged by
 * copying, and that the attention has a name, its site, by which a trace records it and an edit finds it.
 */
import { ops } from "../kernels/current.js";
import { Tensor } from "../tensor/index.js";
import { attentionCall, type CallOptions } from "./call.js";
import { type HeadsView, headsOf } from "./heads.js";
import { listened, type Site } from "./listen.js";
import { checkOperands } from "./operands.js";

/** What a model gives: heads as views (`viewHeads`, a cache) or whole tensors [B, H, L, D], and `attention`'s options. */
export interface AttendArguments extends Omit<CallOptions, "returnLse" | "onEmptyRow"> {
  q: HeadsView | Tensor;
  k: HeadsView | Tensor;
  v: HeadsView | Tensor;
}

const view = (x: HeadsView | Tensor): HeadsView => (x instanceof Tensor ? headsOf(x) : x);

/**
 * @param site which attention of the model this is; without one nobody is asked
 * @param given.outputLayout default "merged", [B, Lq, H·Dv], what the output projection takes; or "heads", [B, H, Lq, Dv]
 * @param given.rule made once by `attentionRule` for all layers, instead of options about who may attend
 * @throws {ShapeError} when axes disagree
 */
export function attend(site: Site | undefined, { q, k, v, ...options }: AttendArguments): Tensor {
  const where = site ? `${site.kind} attention of layer ${site.layer}` : "attend";
  const views = { q: view(q), k: view(k), v: view(v) };
  checkOperands(where, views);
  const call = attentionCall(views, { outputLayout: "merged", ...options }, where, true);
  const compute = (asked: typeof call) => ops().attention(asked);
  return (site ? listened(site, call, compute) : compute(call)).output;
}
