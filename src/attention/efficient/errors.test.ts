import { describe, expect, test } from "vitest";
import { referenceKernel, withOperations } from "../../kernels/index.js";
import {
  bigBird,
  fixed,
  linearAttention,
  linformer,
  longformer,
  performer,
  reformer,
  slidingWindow,
  streaming,
  strided,
  topKBlocks,
} from "./index.js";
import { onWarning } from "../index.js";
import { QkvError } from "../../tensor/index.js";
import { normal } from "./testing.js";

const x = normal(1, 1, 2, 8, 4);
const y = normal(2, 1, 2, 6, 4);

/** One line that names the argument and the way out, whole. */
function refuses(name: string, call: () => unknown, message: string): void {
  test(name, () => {
    let said = "nothing";
    try {
      withOperations(referenceKernel(), call);
    } catch (error) {
      expect(error).toBeInstanceOf(QkvError);
      said = (error as Error).message;
    }
    expect(said).toBe(message);
  });
}

refuses("a window below 0", () => slidingWindow(x, x, x, { window: { left: -1, right: 0 } }),
  "slidingWindow: options.window.left is -1; expected a whole number ≥ 0, or Infinity. Fix: 0 means that a query sees nothing beyond itself on that side."); // biome-ignore format: call, message
refuses("a window below 0 beside global tokens", () => longformer(x, x, x, { window: -1 }),
  "longformer: options.window.left is -1; expected a whole number ≥ 0, or Infinity. Fix: 0 means that a query sees nothing beyond itself on that side."); // biome-ignore format: call, message
refuses("a stream that keeps less than nothing", () => streaming(x, x, x, { window: -1 }),
  "streaming: options.window is -1; expected a whole number of at least 1."); // biome-ignore format: call, message
refuses("no window at all", () => longformer(x, x, x),
  "longformer: options.window is missing; expected { left, right }, how many tokens a query sees before and after itself. Fix: give window: { left: 128, right: 128 }."); // biome-ignore format: call, message
refuses("more global tokens than tokens", () => longformer(x, x, x, { window: 1, globalTokens: [0, 1, 2, 3, 4, 5, 6, 7, 8] }),
  "longformer: options.globalTokens names 9 positions; expected at most 8, the number of tokens."); // biome-ignore format: call, message
refuses("a global token outside the sequence", () => longformer(x, x, x, { window: 1, globalTokens: [8] }),
  "longformer: options.globalTokens names position 8; expected distinct whole numbers from 0 to 7."); // biome-ignore format: call, message
refuses("a global token named twice", () => longformer(x, x, x, { window: 1, globalTokens: [3, 3] }),
  "longformer: options.globalTokens names position 3 twice; expected distinct whole numbers from 0 to 7."); // biome-ignore format: call, message
refuses("lists of global tokens for another batch size", () => longformer(x, x, x, { window: 1, globalTokens: [[1], [2]] }),
  "longformer: options.globalTokens has 2 lists; expected 1, one per batch item."); // biome-ignore format: call, message
refuses("a dilation of 0", () => longformer(x, x, x, { window: 1, dilation: 0 }),
  "longformer: options.dilation is 0; expected a whole number of at least 1."); // biome-ignore format: call, message
refuses("no features", () => performer(x, x, x, { features: 0 }),
  "performer: options.features is 0; expected a whole number of at least 1."); // biome-ignore format: call, message
refuses("a projection of another head size", () => performer(x, x, x, { projection: normal(1, 5, 3) }),
  "performer: options.projection has shape [5, 3]; expected [m, 4], a row of headDim numbers per feature."); // biome-ignore format: call, message
refuses("an odd number of buckets", () => reformer(x, x, x, { buckets: 7, chunkLength: 2 }),
  "reformer: options.buckets is 7; expected even numbers of at least 2: buckets come in pairs, a direction and its opposite. Fix: use 8."); // biome-ignore format: call, message
refuses("an odd factor", () => reformer(x, x, x, { buckets: [4, 3], chunkLength: 2 }),
  "reformer: options.buckets is [4, 3]; expected even numbers of at least 2: buckets come in pairs, a direction and its opposite. Fix: use 4."); // biome-ignore format: call, message
refuses("hashed keys that are not the queries", () => reformer(x, normal(5, 1, 2, 8, 4), x, { chunkLength: 2 }),
  `reformer: k differs from q, first at number 0: ${normal(5, 1, 2, 8, 4).data[0]} for ${x.data[0]}; expected the same tensor, for hashed queries are the keys (Kitaev et al. 2020 §2, shared-QK). Fix: pass q twice, or hashing: false for local chunks with keys of their own.`); // biome-ignore format: call, message
refuses("rotations of another shape", () => reformer(x, x, x, { buckets: 4, rounds: 2, chunkLength: 2, rotations: normal(1, 2, 4, 2, 3) }),
  "reformer: options.rotations has shape [2, 4, 2, 3]; expected [2, 4, 2, 2]: heads, headDim, rounds, half the sum of the factors [4]."); // biome-ignore format: call, message
refuses("a causal Linformer", () => linformer(x, x, x, { causal: true }),
  "linformer: options.causal is true; expected false: each projected key mixes all positions, later ones too. Fix: use slidingWindow, performer or linearAttention for causal models."); // biome-ignore format: call, message
refuses("a projection for fewer keys", () => linformer(x, x, x, { projectK: normal(1, 5, 3) }),
  "linformer: options.projectK has shape [5, 3]; expected [N, r] with N of at least 8, the number of keys."); // biome-ignore format: call, message
refuses("random blocks of another shape", () => bigBird(x, x, x, { blockSize: 2, randomBlocks: [[[1]], [[1]]] }),
  "bigBird: options.randomBlocks has shape [2, 1, 1]; expected [2, 2, r]: heads, the 4 blocks but the first and last, blocks to see."); // biome-ignore format: call, message
refuses("a random block that is not there", () => bigBird(x, x, x, { blockSize: 2, randomBlocks: [[[1], [4]], [[0], [1]]] }),
  "bigBird: options.randomBlocks names block 4; expected blocks from 0 to 3."); // biome-ignore format: call, message
refuses("a block of 0 tokens", () => topKBlocks(x, x, x, { blockSize: 0 }),
  "topKBlocks: options.blockSize is 0; expected a whole number of at least 1."); // biome-ignore format: call, message
refuses("a summary longer than its block", () => fixed(x, x, x, { blockSize: 2, summary: 3 }),
  "fixed: options.summary is 3; expected at most blockSize 2. Fix: a summary is the end of a block."); // biome-ignore format: call, message
refuses("a stride of 1.5", () => strided(x, x, x, { stride: 1.5 }),
  "strided: options.stride is 1.5; expected a whole number of at least 1."); // biome-ignore format: call, message
refuses("a stream that looks ahead", () => streaming(x, x, x, { causal: false }),
  "streaming: options.causal is false; expected true or nothing: a stream has no later tokens. Fix: use slidingWindow or longformer for attention in both directions."); // biome-ignore format: call, message
refuses("a rule that looks ahead", () => linearAttention(x, x, x, { rule: "delta", causal: false }),
  'linearAttention: options.causal is false; expected true: rule "delta" runs from the first token to the last. Fix: leave the rule out for attention in both directions.'); // biome-ignore format: call, message
refuses("a gate without its decay", () => linearAttention(x, x, x, { rule: "gated" }),
  'linearAttention: options.decay is missing; expected [1, 2, 8] or [1, 2, 8, 4]: ln of what the state keeps. Fix: give it, or take rule "linear" or "delta".'); // biome-ignore format: call, message
refuses("a beta of another length", () => linearAttention(x, x, x, { rule: "delta", beta: normal(1, 1, 2, 7) }),
  "linearAttention: options.beta has shape [1, 2, 7]; expected [1, 2, 8]."); // biome-ignore format: call, message
refuses("a state of another size", () => linearAttention(x, x, x, { state: normal(1, 1, 2, 3, 4) }),
  "linearAttention: options.state has shape [1, 2, 3, 4]; expected [1, 2, 4, 4]: batch, key heads, headDim, valueDim."); // biome-ignore format: call, message

const crossing = "Fix: use attention() for cross-attention.";
refuses("cross-attention asked of a causal Performer", () => performer(x, y, y, { causal: true }),
  `performer: k has length 6 where q has 8; expected as many keys as queries: causal prefix sums run over one sequence. ${crossing}`); // biome-ignore format: call, message
refuses("cross-attention asked of BigBird", () => bigBird(x, y, y),
  `bigBird: k has length 6 where q has 8; expected as many keys as queries: blocks are counted within one sequence. ${crossing}`); // biome-ignore format: call, message

for (const [name, reason, call] of [
  ["strided", "strided attention counts distances within one sequence", () => strided(x, y, y, { causal: true })],
  ["fixed", "blocks are counted within one sequence", () => fixed(x, y, y, { causal: true })],
  ["longformer", "a window and global tokens are positions of one sequence", () => longformer(x, y, y, { window: 1, causal: true })],
  ["topKBlocks", "a query always sees its own block", () => topKBlocks(x, y, y, { causal: true })],
  ["reformer", "queries are the keys", () => reformer(x, y, y, { causal: true })],
  ["linearAttention", "causal prefix sums run over one sequence", () => linearAttention(x, y, y, { causal: true })],
  ["linearAttention", "a state is read after each token is written", () => linearAttention(x, y, y, { rule: "linear" })],
] as const) {
  refuses(`cross-attention asked of ${name}: ${reason}`, call,
    `${name}: k has length 6 where q has 8; expected as many keys as queries: ${reason}. ${crossing}`);
} // biome-ignore format: a line a mechanism
refuses("more queries than a stream has tokens", () => streaming(x, y, y),
  `streaming: k has length 6 where q has 8; expected at least as many keys as queries: queries are the last tokens of the stream. ${crossing}`); // biome-ignore format: call, message

describe("a length that is no multiple of the block is padded, and said", () => {
  const z = normal(3, 1, 2, 9, 4);
  test.each([
    ["bigBird", () => bigBird(z, z, z, { blockSize: 4 }), "has length 9, no multiple of blockSize 4; it is padded to 12 with absent keys"],
    ["reformer", () => reformer(z, z, z, { chunkLength: 4 }), "has length 9, no multiple of chunkLength 4; it is padded to 12 with absent keys"],
  ] as const)("%s", (name, call, got) => {
    const heard: object[] = [];
    const before = onWarning((warning) => heard.push(warning));
    try {
      expect(withOperations(referenceKernel(), call).shape).toEqual(z.shape);
    } finally {
      onWarning(before);
    }
    expect(heard).toEqual([{ where: name, argument: "q", got }]);
  });
}); // biome-ignore format: a line a mechanism

refuses("keys of another head size", () => slidingWindow(x, normal(1, 1, 2, 8, 3), x, { window: 1 }),
  "slidingWindow: k has headDim 3 in [1, 2, 8, 3]; expected headDim 4, as in q [1, 2, 8, 4]."); // biome-ignore format: call, message
refuses("key heads that do not divide the query heads", () => slidingWindow(x, normal(1, 1, 3, 8, 4), x, { window: 1 }),
  "slidingWindow: k has 3 heads in [1, 3, 8, 4]; expected a number that divides the 2 heads of q [1, 2, 8, 4]."); // biome-ignore format: call, message
refuses("values of another length", () => slidingWindow(x, x, y, { window: 1 }),
  "slidingWindow: v has length 6 in [1, 2, 6, 4]; expected length 8, as in k [1, 2, 8, 4]."); // biome-ignore format: call, message
refuses("five axes", () => slidingWindow(normal(1, 1, 1, 1, 1, 1), x, x, { window: 1 }),
  "slidingWindow: q has shape [1, 1, 1, 1, 1]; expected [batch, heads, length, headDim], [heads, length, headDim] or [length, headDim]."); // biome-ignore format: call, message
refuses("padding of another length", () => slidingWindow(x, x, x, { window: 1, keyPadding: [[1, 1]] }),
  "slidingWindow: options.keyPadding has shape [1, 2]; expected [1, 8]. Fix: give 1 for a real token and 0 for padding, a row per batch item."); // biome-ignore format: call, message
refuses("a key length beyond the keys", () => slidingWindow(x, x, x, { window: 1, keyLengths: [9] }),
  "slidingWindow: options.keyLengths[0] is 9; expected a whole number from 0 to 8."); // biome-ignore format: call, message
refuses("a scale that is no number", () => slidingWindow(x, x, x, { window: 1, scale: Number.NaN }),
  "slidingWindow: options.scale is NaN; expected a finite number."); // biome-ignore format: call, message
