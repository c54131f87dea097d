/** @file What the gotcha lab says of each mistake: predicted first, then seen. Ids are those of `engine/gotcha.ts`. */
import type { GotchaShown } from "../engine/gotcha.js";

/** What a mistake changes, always in the same direction. */
export type Quantity = "sharpness" | "leaked" | "sums" | "difference" | "moved";
export interface Change {
  of: Quantity;
  way: "rises" | "falls";
}

export interface Mistake {
  id: string;
  /** The rule of `qkv check` that finds it; a mistake outside attention has none. */
  rule?: string;
  change: Change;
  name: string;
  /** The wrong line and the right one. */
  wrong: string;
  right: string;
  /** A question to answer before looking. */
  ask: string;
  /** Why it goes wrong. */
  says: string;
  /** Only for models that hide the future. */
  causal?: boolean;
}

export const mistakes: readonly Mistake[] = [
  {
    id: "scale-missing",
    rule: "scale-missing",
    change: { of: "sharpness", way: "rises" },
    name: "1/√d left out",
    wrong: "softmax(q·kᵀ)",
    right: "softmax(q·kᵀ / √d)",
    ask: "Scores become √d times larger. Will the rows get sharper or flatter?",
    says: "A sum of d products has a spread of √d. Without the division the largest score takes nearly all the weight, and the slope of the softmax there is close to zero: the head can hardly learn. Vaswani et al. 2017, §3.2.1.",
  },
  {
    id: "scale-d_model",
    rule: "scale-d_model",
    change: { of: "sharpness", way: "falls" },
    name: "√d_model instead of √d",
    wrong: "softmax(q·kᵀ / √(heads·d))",
    right: "softmax(q·kᵀ / √d)",
    ask: "The divisor is too large by √heads. Sharper or flatter?",
    says: "Each head's scores are sums over its own d numbers only. Dividing by the width of the whole model flattens every head towards a plain average.",
  },
  {
    id: "mask-multiplied-before-softmax",
    rule: "mask-multiplied-before-softmax",
    change: { of: "leaked", way: "rises" },
    name: "scores multiplied by the mask",
    wrong: "softmax(scores * mask)",
    right: "softmax(mask ? scores : −∞)",
    ask: "A masked score becomes 0. Does its key disappear?",
    says: "A score of zero is not absence: e⁰ = 1, so a masked key still takes weight, often more than a visible one with a negative score. Only −∞ has the weight 0.",
  },
  {
    id: "mask-after-softmax",
    rule: "mask-after-softmax",
    change: { of: "sums", way: "rises" },
    name: "mask after the softmax",
    wrong: "softmax(scores) * mask",
    right: "softmax(mask ? scores : −∞)",
    ask: "Masked weights are exactly 0 now. What is wrong then?",
    says: "The softmax shared one whole among all keys, hidden ones included. What they took is thrown away, so rows no longer sum to 1, and how much is missing depends on the hidden tokens: the future shines through.",
  },
  {
    id: "causal-reversed",
    rule: "causal-reversed",
    change: { of: "leaked", way: "rises" },
    name: "the triangle the wrong way round",
    wrong: "keep triu(ones, 1)",
    right: "keep tril(ones)",
    ask: "Each token now sees only what comes after it. What does the last token see?",
    says: "The upper triangle is what must go, not what stays. Kept, it hides the past and the token itself and shows the future; the last row has nothing left at all.",
    causal: true,
  },
  {
    id: "causal-off-by-one",
    rule: "causal-off-by-one",
    change: { of: "leaked", way: "rises" },
    name: "the triangle one column too wide",
    wrong: "key ≤ query + 1",
    right: "key ≤ query",
    ask: "Each token sees exactly one token ahead. Does that matter?",
    says: "The next token is the answer that the model is trained to give. One column of it is all it takes for a perfect score in training and nonsense in use.",
    causal: true,
  },
  {
    id: "future-leak",
    rule: "future-leak",
    change: { of: "leaked", way: "rises" },
    name: "no causal mask",
    wrong: "softmax(scores)",
    right: "softmax(key ≤ query ? scores : −∞)",
    ask: "How much of the weight goes to tokens that have not been said yet?",
    says: "Without the mask each token looks ahead as freely as back. The model never learned to use what it sees there, so its expectations change for the worse.",
    causal: true,
  },
  {
    id: "softmax-axis",
    rule: "softmax-axis",
    change: { of: "sums", way: "rises" },
    name: "softmax over queries",
    wrong: "softmax(scores, axis of queries)",
    right: "softmax(scores, axis of keys)",
    ask: "Which sums are 1 now: rows or columns?",
    says: "A row must be one token's whole attention, shared among keys. Normalised the other way round, keys compete for… nothing: some tokens get several wholes, others almost none.",
  },
  {
    id: "softmax-missing",
    rule: "softmax-missing",
    change: { of: "sums", way: "rises" },
    name: "no softmax",
    wrong: "(scores * mask) · v",
    right: "softmax(scores) · v",
    ask: "Scores are mixed as they are, negative ones too. Do rows still sum to 1?",
    says: "A well-known tutorial forgets the softmax in its minimal example. What is left are raw scores: negative weights, sums of any size, and a last row of zeros.",
  },
  {
    id: "heads-merged-without-transpose",
    rule: "heads-merged-without-transpose",
    change: { of: "moved", way: "rises" },
    name: "heads merged without transpose",
    wrong: "out.reshape(L, H·d)",
    right: "out.transpose(H ↔ L).reshape(L, H·d)",
    ask: "The map below is right. Can the model still be broken?",
    says: "Nothing is wrong with any weight. But a reshape reads [heads, tokens, d] in memory order, so pieces of different tokens end up in one row. Shapes agree, nothing throws, and the output is noise.",
  },
  {
    id: "gqa-tile-for-repeat",
    rule: "gqa-tile-for-repeat",
    change: { of: "difference", way: "rises" },
    name: "shared key heads in the wrong order",
    wrong: "key head = h mod groups",
    right: "key head = ⌊h · groups / heads⌋",
    ask: "Each query head still gets a trained key head. Just not its own. Visible?",
    says: "Grouped-query heads stand in contiguous groups. Tiled instead of repeated, most query heads ask somebody else's keys.",
  },
  {
    id: "scale-twice",
    rule: "scale-by-heads",
    change: { of: "sharpness", way: "falls" },
    name: "1/√d where there is none (T5)",
    wrong: "softmax(q·kᵀ / √d), weights trained without",
    right: "softmax(q·kᵀ), the scale lies in the weights",
    ask: "T5 was trained without the division: its weights start smaller instead. What does dividing once more do to its rows?",
    says: "The scale belongs to the weights it was trained with. Divided once too often, every row flattens towards a plain average. Here it is done to this model, which is the same thing.",
  },
  {
    id: "padding-leak",
    rule: "padding-leak",
    change: { of: "leaked", way: "rises" },
    name: "no padding mask",
    wrong: "attention(q, k, v)",
    right: "attention(q, k, v, { keyPadding })",
    ask: "Four pads join the text and nobody hides them. Will real tokens look at them?",
    says: "A pad has a key like any other token, and often a loud one: the softmax must put its whole somewhere. A text then means something else alone than in a batch with a longer neighbour.",
  },
  {
    id: "left-pad-positions",
    rule: "left-pad-positions",
    change: { of: "moved", way: "rises" },
    name: "pads on the left that count as positions",
    wrong: "positions = 0, 1, 2, …",
    right: "positions = number of real tokens before",
    ask: "Pads stand in front and are hidden well. Positions are counted from the first pad. Does that matter?",
    says: "With a table of positions every token now wears another one's number, and the text is read as if it began in the middle. Rotary and relative positions only know distances, so a model that has them shrugs: nothing moves but rounding.",
  },
  {
    id: "batch-transposed",
    rule: "batch-as-sequence",
    change: { of: "difference", way: "rises" },
    name: "K.T on a batch",
    wrong: "Q @ K.T",
    right: "Q @ K.swapaxes(-1, -2)",
    ask: "Batch, length and size happen to be equal, so no shape complains. Whose keys does a query meet?",
    says: "`.T` reverses all axes. Batch and length change places: a query meets one number each of other texts. With any other shape it would at least have thrown. Shown on the first tokens of this text; the other texts of the batch are this one, begun later.",
  },
  {
    id: "heads-split-without-transpose",
    rule: "heads-split-without-transpose",
    change: { of: "difference", way: "rises" },
    name: "heads split without transpose",
    wrong: "q.reshape(H, L, d)",
    right: "q.reshape(L, H, d).transpose(H ↔ L)",
    ask: "Head 0 gets the first L pieces of memory. Whose are they?",
    says: "The first tokens' pieces of all heads. A head then attends over a few tokens cut into slices, and the causal mask hides slices instead of time.",
  },
  {
    id: "rope-layout",
    rule: "rope-layout",
    change: { of: "difference", way: "rises" },
    name: "rotary pairs in the wrong layout",
    wrong: "pairs (0, 1), (2, 3), …",
    right: "pairs (i, i + d/2)",
    ask: "Both layouts are in use, and each is right for its own weights. Nearby tokens or far ones: which suffer?",
    says: "The angle is given to numbers that were never a pair, so what should depend on distance depends on noise. It hurts little close by, where angles are small, which is why it passes short tests.",
  },
  {
    id: "residual-missing",
    change: { of: "moved", way: "rises" },
    name: "no residual sum",
    wrong: "x = attention(norm(x))",
    right: "x = x + attention(norm(x))",
    ask: "Each part's result takes the place of the stream instead of joining it. Does the first layer's map change? And the last one's?",
    says: "What a token was is gone after the first block: later layers get only what attention mixed for them. The first layer's maps are still right, which is why looking at one map proves little.",
  },
  {
    id: "norm-order",
    change: { of: "moved", way: "rises" },
    name: "norm after the sum (post-norm for pre-norm)",
    wrong: "x = norm(x + f(x))",
    right: "x = x + f(norm(x))",
    ask: "Same weights, same operations, another order. Will it still speak?",
    says: "The stream is cut back to length one after every sum, so what early blocks wrote is drowned or lost. Both orders train; weights of one do not run in the other.",
  },
];

const spread = (s: GotchaShown): number => Math.max(Math.abs(s.sums[0] - 1), Math.abs(s.sums[1] - 1));

/** The quantity of a mistake, right and wrong; undefined where this run cannot measure it. */
export function measured(s: GotchaShown, of: Quantity): [right: number, wrong: number] | undefined {
  if (of === "sharpness") return s.sharpness;
  if (of === "leaked") return [0, s.leaked];
  if (of === "sums") return [0, spread(s)];
  if (of === "difference") return [0, s.difference];
  const moved = s.moved ?? s.output; // where there is no model to run, what this attention gives
  return moved === null ? undefined : [0, moved];
}

export const quantityName: Record<Quantity, string> = {
  sharpness: "the largest weight of a row, on average,",
  leaked: "the share of weight on hidden tokens",
  sums: "the furthest a row's sum is from 1",
  difference: "the largest error of a weight",
  moved: "the error of the last layer's vectors, as a share of their length,",
};

/** Mistakes as they are offered: by what they are about. */
export const mistakeGroups: readonly { title: string; ids: readonly string[] }[] = [
  { title: "scale", ids: ["scale-missing", "scale-d_model", "scale-twice"] },
  {
    title: "mask",
    ids: ["mask-multiplied-before-softmax", "mask-after-softmax", "causal-reversed", "causal-off-by-one", "future-leak", "padding-leak"],
  }, // biome-ignore format: a list
  { title: "softmax", ids: ["softmax-axis", "softmax-missing"] },
  {
    title: "heads, batch",
    ids: ["heads-split-without-transpose", "heads-merged-without-transpose", "gqa-tile-for-repeat", "batch-transposed"],
  },
  { title: "positions", ids: ["left-pad-positions", "rope-layout"] },
  { title: "block", ids: ["residual-missing", "norm-order"] },
];
