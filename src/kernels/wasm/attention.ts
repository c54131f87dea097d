/** @file Attention calls, written down for the kernel: addresses, byte strides, and how the work is cut. */
import type { Tensor } from "../../tensor/index.js";
import { dropoutThreshold } from "../dropout.js";
import type { AttentionCall, AttentionResult } from "../kernel.js";
import { outputHeads, outputShape } from "../layout.js";
import type { Block, Workspace } from "./workspace.js";

/** Keys a step, a multiple of the register tile's rows. Anything from 48 to 256 is within 5 % of it. */
const KEY_TILE = { portable: 160, relaxed: 192, wide: 96 };
/** Queries of a full panel: a multiple of the register tile both ways (rows for P·V, columns for K·Qᵀ). */
const PANEL = { portable: 40, relaxed: 24, wide: 48 };
/** The same, and keys a step, in the backward pass: it sums over a panel's queries too, and longer sums are faster. */
const BACKWARD = { portable: [80, 80], relaxed: [96, 96], wide: [96, 96] } as const;
/** Queries of a task, about: the more they are, the less packing their keys and values costs. 256 KB of q and o at 64 numbers. */
const TASK = 512;

type Call = Block<"AttentionArgs">;

/** Operands' addresses and strides. */
function writeOperands(w: Workspace, c: Call, { q, k, v }: AttentionCall): void {
  c.q = w.operand(q.tensor) + q.offset * 4;
  c.qBatch = q.strides[0] * 4;
  c.qHead = q.strides[1] * 4;
  c.qRow = q.strides[2] * 4;
  c.k = w.operand(k.tensor) + k.offset * 4;
  c.kBatch = k.strides[0] * 4;
  c.kHead = k.strides[1] * 4;
  c.kRow = k.strides[2] * 4;
  c.v = w.operand(v.tensor) + v.offset * 4;
  c.vBatch = v.strides[0] * 4;
  c.vHead = v.strides[1] * 4;
  c.vRow = v.strides[2] * 4;
}

/** Whether every query sees every key as far as the rule says. */
function seesAll({ rule, keys }: AttentionCall): boolean {
  if (rule.keyMask || rule.mask || rule.documents || rule.blocks) return false;
  for (let r = 0; r < rule.first.length; r++) if (rule.first[r]! > 0 || rule.end[r]! < keys) return false;
  return true;
}

function writeRule(w: Workspace, c: Call, { rule, queries }: AttentionCall): void {
  const { keyMask, mask, documents, blocks } = rule;
  c.first = w.words(rule.first);
  c.end = w.words(rule.end);
  c.ruleBatch = rule.perBatch ? queries : 0;
  if (keyMask) {
    c.keyMask = w.bytes(keyMask.data);
    c.keyMaskBatch = keyMask.batchStride;
  }
  if (mask) {
    c.mask = w.bytes(mask.data);
    [c.maskBatch, c.maskHead, c.maskQuery, c.maskKey] = mask.strides;
  }
  if (documents) {
    c.documentOfQuery = w.words(documents.query);
    c.documentOfKey = w.words(documents.key);
    c.documentQueryBatch = documents.queryStride;
    c.documentKeyBatch = documents.keyStride;
  }
  if (blocks) {
    c.blocks = w.bytes(blocks.data);
    c.blockSize = blocks.size;
    [c.blockBatch, c.blockHead, c.blockQuery, c.blockKey] = blocks.strides;
  }
}

function writeScores(w: Workspace, c: Call, { bias, alibi, sinks, dropout, softcap, scale }: AttentionCall): void {
  c.scale = scale;
  c.softcap = softcap ?? 0;
  if (bias) {
    c.bias = w.operand(bias.tensor) + bias.offset * 4;
    c.biasBatch = bias.strides[0] * 4;
    c.biasHead = bias.strides[1] * 4;
    c.biasQuery = bias.strides[2] * 4;
    c.biasKey = bias.strides[3] * 4;
  }
  if (alibi) {
    c.slopes = w.floats(alibi.slopes);
    c.queryOffset = alibi.queryOffset;
  }
  if (sinks) c.sinks = w.operand(sinks);
  if (dropout && dropout.rate > 0) {
    c.dropout = 1;
    c.dropoutSeed = dropout.seed | 0;
    c.dropoutThreshold = dropoutThreshold(dropout.rate) | 0;
    c.dropoutScale = dropout.rate < 1 ? 1 / (1 - dropout.rate) : 0;
  }
}

/** Queries of a panel: no more columns of register tiles than there are queries for. */
function panelOf(w: Workspace, call: AttentionCall, full: number): number {
  return Math.min(full, Math.max(1, Math.ceil(call.queries / w.NR)) * w.NR);
}

/** How a head of the backward pass is cut; a task is a whole head. */
export function writeBackwardCut(w: Workspace, c: Call, call: AttentionCall): void {
  const [full, keyTile] = BACKWARD[w.build];
  c.panel = panelOf(w, call, full);
  c.keyTile = keyTile;
}

/** Panel size, panels a task, tasks a head. None of it changes a bit of the result. */
export function writeCut(w: Workspace, c: Call, call: AttentionCall, threads: number): number {
  const panel = panelOf(w, call, PANEL[w.build]);
  const most = Math.ceil(TASK / panel);
  const panelsPerHead = Math.ceil(call.queries / panel);
  const wanted = Math.ceil((4 * threads) / (call.batch * call.heads)); // tasks a head that keep every thread busy
  const panels = Math.max(1, Math.min(most, threads > 1 ? Math.floor(panelsPerHead / wanted) : most));
  const blockCount = Math.ceil(panelsPerHead / panels);
  c.panel = panel;
  c.panels = panels;
  c.keyTile = KEY_TILE[w.build];
  c.blockCount = blockCount;
  c.tasks = blockCount * call.batch * call.heads;
  return blockCount * call.batch * call.heads;
}

/** All of a call but the result's addresses and how the work is cut. */
export function beginAttention(w: Workspace, call: AttentionCall): Call {
  const c = w.call("AttentionArgs");
  writeOperands(w, c, call);
  c.heads = call.heads;
  c.keyHeads = call.keyHeads;
  c.queries = call.queries;
  c.keys = call.keys;
  c.headDim = call.headDim;
  c.valueDim = call.valueDim;
  writeRule(w, c, call);
  writeScores(w, c, call);
  return c;
}

/** Strides of a result or its slope. */
export function writeOutput(c: Call, call: AttentionCall, output: Tensor): void {
  const { strides } = outputHeads(call, output);
  c.oBatch = strides[0] * 4;
  c.oHead = strides[1] * 4;
  c.oRow = strides[2] * 4;
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
    const c = beginAttention(w, call);
    writeOutput(c, call, output.tensor);
    c.o = output.address;
    c.lse = lse.address;
    if (call.bias || call.dropout || !seesAll(call)) {
      const unclean = w.temporary(call.batch * call.keyHeads);
      if (w.wasm.findUnclean!(c.address, call.batch, unclean)) c.unclean = unclean;
    }
    const { address } = c;
    if (call.queries === 1 && !call.dropout?.rate) {
      const tasks = call.batch * call.heads;
      const effort = DECODE_WEIGHT * work(call);
      w.pool.run("attentionDecode", address, tasks, w.wasm.decodeScratch!(address), effort, call.threads);
    } else {
      const tasks = writeCut(w, c, call, Math.min(call.threads ?? Number.POSITIVE_INFINITY, w.pool.threads));
      w.pool.run("attentionForward", address, tasks, w.wasm.attentionScratch!(address), work(call), call.threads);
    }
    return { output: output.tensor, lse: lse.tensor };
  });
}
