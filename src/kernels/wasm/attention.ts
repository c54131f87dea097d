/** @file Attention calls, written down for the kernel: addresses, byte strides, and how the work is cut. */
import type { Tensor } from "../../tensor/index.js";
import { dropoutThreshold } from "../dropout.js";
import type { AttentionCall, AttentionResult, AttentionRule, Heads } from "../kernel.js";
import { outputHeads, outputShape } from "../layout.js";
import type { CallArguments, Workspace } from "./workspace.js";

/** Keys a step: 24 or 48 KB of 64-number keys. Anything from 48 to 256 is within 5 % of it; fused 128-bit tiles like longer sums. */
const KEY_TILE = { portable: 96, relaxed: 192, wide: 96 };
/** Panels that share a key tile while it is in the cache. */
const PANELS = 4;
/** Queries of a full panel: a multiple of the register tile both ways (rows for P·V, columns for K·Qᵀ). */
const PANEL = { portable: 64, relaxed: 24, wide: 48 };
/** The smallest such panel, for few queries, and for windows, where a wide panel computes pairs that nobody sees. */
const SMALL_PANEL = { portable: 8, relaxed: 24, wide: 48 };

function strides(prefix: string, [batch, head, row]: Heads["strides"]): CallArguments {
  return { [`${prefix}Batch`]: batch * 4, [`${prefix}Head`]: head * 4, [`${prefix}Row`]: row * 4 };
}

/** An operand's address and strides under its letter. */
function heads(w: Workspace, prefix: string, x: Heads): CallArguments {
  return { [prefix]: w.operand(x.tensor) + x.offset * 4, ...strides(prefix, x.strides) };
}

/** Whether every query sees every key as far as the rule says. */
function seesAll({ rule, keys }: AttentionCall): boolean {
  if (rule.keyMask || rule.mask || rule.documents || rule.blocks) return false;
  for (let r = 0; r < rule.first.length; r++) if (rule.first[r]! > 0 || rule.end[r]! < keys) return false;
  return true;
}

/** The longest stretch of keys that one query may see. */
function widest({ first, end }: AttentionRule): number {
  let most = 0;
  for (let r = 0; r < first.length; r++) most = Math.max(most, end[r]! - first[r]!);
  return most;
}

function ruleArguments(w: Workspace, { rule, queries }: AttentionCall): CallArguments {
  const { keyMask, mask, documents, blocks } = rule;
  return {
    first: w.words(rule.first),
    end: w.words(rule.end),
    ruleBatch: rule.perBatch ? queries : 0,
    ...(keyMask && { keyMask: w.bytes(keyMask.data), keyMaskBatch: keyMask.batchStride }),
    ...(mask && {
      mask: w.bytes(mask.data),
      maskBatch: mask.strides[0],
      maskHead: mask.strides[1],
      maskQuery: mask.strides[2],
      maskKey: mask.strides[3],
    }),
    ...(documents && {
      documentOfQuery: w.words(documents.query),
      documentOfKey: w.words(documents.key),
      documentQueryBatch: documents.queryStride,
      documentKeyBatch: documents.keyStride,
    }),
    ...(blocks && {
      blocks: w.bytes(blocks.data),
      blockSize: blocks.size,
      blockBatch: blocks.strides[0],
      blockHead: blocks.strides[1],
      blockQuery: blocks.strides[2],
      blockKey: blocks.strides[3],
    }),
  };
}

function scoreArguments(w: Workspace, call: AttentionCall): CallArguments {
  const { bias, alibi, sinks, dropout, softcap, scale } = call;
  return {
    scale,
    softcap: softcap ?? 0,
    ...(bias && {
      bias: w.operand(bias.tensor) + bias.offset * 4,
      biasBatch: bias.strides[0] * 4,
      biasHead: bias.strides[1] * 4,
      biasQuery: bias.strides[2] * 4,
      biasKey: bias.strides[3] * 4,
    }),
    ...(alibi && { slopes: w.floats(alibi.slopes), queryOffset: alibi.queryOffset }),
    ...(sinks && { sinks: w.operand(sinks) }),
    ...(dropout &&
      dropout.rate > 0 && {
        dropout: 1,
        dropoutSeed: dropout.seed | 0,
        dropoutThreshold: dropoutThreshold(dropout.rate) | 0,
        dropoutScale: dropout.rate < 1 ? 1 / (1 - dropout.rate) : 0,
      }),
  };
}

/** Panel size, panels a task, tasks a head. None of it changes a bit of the result. */
function cut(w: Workspace, call: AttentionCall, threads: number): CallArguments {
  const small = SMALL_PANEL[w.build];
  const full = PANEL[w.build];
  const narrow = widest(call.rule) <= 512 && call.keys > 512;
  const panel = narrow
    ? Math.min(full, Math.max(small, 16))
    : Math.min(full, Math.max(1, Math.ceil(call.queries / small)) * small);
  const panelsPerHead = Math.ceil(call.queries / panel);
  const wanted = Math.ceil((4 * threads) / (call.batch * call.heads)); // tasks a head that keep every thread busy
  const panels = Math.max(1, Math.min(PANELS, threads > 1 ? Math.floor(panelsPerHead / wanted) : PANELS));
  const blockCount = Math.ceil(panelsPerHead / panels);
  return { panel, panels, keyTile: KEY_TILE[w.build], blockCount, tasks: blockCount * call.batch * call.heads };
}

/** All of a call but the result's addresses. */
export function attentionArguments(w: Workspace, call: AttentionCall, threads: number): CallArguments {
  return {
    ...heads(w, "q", call.q),
    ...heads(w, "k", call.k),
    ...heads(w, "v", call.v),
    heads: call.heads,
    keyHeads: call.keyHeads,
    queries: call.queries,
    keys: call.keys,
    headDim: call.headDim,
    valueDim: call.valueDim,
    ...ruleArguments(w, call),
    ...scoreArguments(w, call),
    ...cut(w, call, threads),
  };
}

/** Strides of a result or its slope, under the letter o. */
export function outputStrides(call: AttentionCall, output: Tensor): CallArguments {
  return strides("o", outputHeads(call, output).strides);
}

/** One query waits for memory, not for arithmetic: a multiply-add costs some four times as long. */
const DECODE_WEIGHT = 4;

/** Multiply-adds of the pairs that the intervals leave, one way. */
export function work({ batch, heads, headDim, valueDim, rule }: AttentionCall): number {
  let pairs = 0;
  for (let r = 0; r < rule.first.length; r++) pairs += Math.max(0, rule.end[r]! - rule.first[r]!);
  return pairs * (rule.perBatch ? 1 : batch) * heads * (headDim + valueDim);
}

export function attention(w: Workspace, call: AttentionCall): AttentionResult {
  return w.operation(() => {
    const output = w.result(outputShape(call));
    const lse = w.result([call.batch, call.heads, call.queries]);
    const threads = Math.min(call.threads ?? Number.POSITIVE_INFINITY, w.pool.threads);
    const values = {
      ...attentionArguments(w, call, threads),
      ...outputStrides(call, output.tensor),
      o: output.address,
      lse: lse.address,
    } as CallArguments;
    if (call.bias || call.dropout || !seesAll(call)) {
      const unclean = w.temporary(call.batch * call.keyHeads);
      if (w.wasm.findUnclean!(w.arguments("AttentionArgs", values), call.batch, unclean)) values.unclean = unclean;
    }
    const args = w.arguments("AttentionArgs", values);
    if (call.queries === 1 && !values.dropout) {
      const tasks = call.batch * call.heads;
      w.pool.run("attentionDecode", args, tasks, w.wasm.decodeScratch!(args), DECODE_WEIGHT * work(call), call.threads);
    } else {
      const scratch = w.wasm.attentionScratch!(args);
      w.pool.run("attentionForward", args, Number(values.tasks), scratch, work(call), call.threads);
    }
    return { output: output.tensor, lse: lse.tensor };
  });
}
