/**
 * @file The chapters: the path of a well-known tutorial on self-attention, in our own words, on real numbers. Where that
 * tutorial is wrong, the page says what is right and why.
 */
import type { Chapter } from "./blocks.js";
import { firstLook } from "../state/choice.js";
import { smallest, twoHeads } from "./examples.js";

const repeated = "The whale rose, and the sea rose with the whale; the ship turned, and the sea";

export const chapters: readonly Chapter[] = [
  {
    id: "why",
    title: "Why attention",
    blocks: [
      {
        p: "Before 2017 a text was read by recurrent networks: one token after the other, all that was read so far kept in one state of fixed size. Two things follow. No step can begin before the one before it is done, so a long text is a long chain. And what will be needed later must survive every step in between: in the state as the text is read, and, when the network learns from a mistake, in the slope that runs back through the same steps.",
      },
      {
        ask: "A plain RNN should have kept the first of 24 tokens. Before it has learned anything: of the slope that arrives one token back, how much arrives at the far end?",
        choices: ["about a half", "about a hundredth", "less than a ten-thousandth"],
        right: 2,
        answer:
          "Less than a ten-thousandth. On its way back the slope is multiplied once for each token, by a matrix and by the slope of tanh, and both make it smaller: after k steps it is about a k-th power. Had they made it larger it would explode instead. The lines below are computed now.",
      },
      { live: "slopes" },
      {
        p: "Attention joins any two tokens in **one** step: the last token asks, and the first answers directly. The slope comes back the same way, whatever the distance, and since no token waits for another, all of them are computed at once. The price is that every pair is compared.",
      },
      {
        wrong: "“RNNs and LSTMs suffer from the vanishing/exploding gradient problem”, in one breath.",
        right:
          "RNNs do. The LSTM was built against it (Hochreiter & Schmidhuber 1997): its cell is added to and not multiplied through, and a gate decides what stays. Untrained, that gate stands half open, which is why its line falls too; once it has learned to stay open the line is level. It must learn that first, and attention need not.",
      },
      {
        wrong: "“These models have a limited context window.”",
        right:
          "They have none: the window is the Transformer's. What fails is memory. Everything must pass through one state, step by step, and in practice what lies more than some two hundred words back no longer matters much (Khandelwal et al. 2018, arXiv:1805.04623).",
      },
      {
        wrong: "The Transformer, “introduced as a breakthrough solution”, as if attention came with it.",
        right:
          "Attention is older: it was added to recurrent translators first, so that the writer could look back at the whole source (Bahdanau et al. 2014, arXiv:1409.0473). What was new in 2017 was to leave the recurrence out (Vaswani et al., arXiv:1706.03762).",
      },
      { link: "Train all three before your eyes: the sequence lab", page: "sequence" },
    ],
  },
  {
    id: "intuition",
    title: "Who looks at whom",
    blocks: [
      {
        p: "A token by itself is a row of numbers that knows nothing of its sentence. Self-attention lets each token ask every other one a question and take a share of what they have. How large each share is, is the whole story: the shares of one token sum to 1, and they are computed, not chosen.",
      },
      {
        ask: "In the sentence below, which earlier word should matter most for guessing what follows the last “sea”?",
        choices: ["the first “whale”", "“rose”, after the first “sea”", "“ship”"],
        right: 1,
        answer:
          "“rose”: the last time the text said “sea”, “rose” came next. A head that has learned to look there is called an induction head. Look at the token after the earlier “sea” and see how much of the last row lies on it.",
      },
      {
        view: "text",
        says: "Point at a word: the others are shaded by how much it takes from them.",
        set: { text: repeated, query: -1, ...firstLook },
      },
      {
        wrong: "Self-attention, explained without a word on position.",
        right:
          "Without positions, attention cannot tell “dog bites man” from “man bites dog”: shuffle the tokens and the outputs are shuffled likewise, nothing else. Models add positions to the input, to the score, or turn q and k by an angle (RoPE).",
      },
    ],
  },
  {
    id: "numbers",
    title: "Query, key, value",
    blocks: [
      {
        p: "Each token makes three vectors from its own numbers: a **query** (what I look for), a **key** (what I can be found by) and a **value** (what I hand over). A query meets a key in a dot product: multiply number by number, then add up. One pair gives **one** number.",
      },
      { live: "play" },
      {
        ask: "Make the second key longer, ten times. What happens to the second column of weights?",
        choices: [
          "nothing: the softmax levels it",
          "it takes nearly everything where the query points its way",
          "every row gives it a little more",
        ],
        right: 1,
        answer:
          "Every query that points the same way now gives it nearly all its weight, and those that point away nearly none. Length is as loud as direction: nothing in the dot product stops it. Some models norm q and k for that reason (Qwen 3).",
      },
      {
        wrong:
          "“Query and key are multiplied element-wise to produce a set of similarity scores”, for one query and one key.",
        right:
          "The products are added up: one pair, one score. With a single key the softmax of its single score is 1, whatever the score is. To choose, there must be at least two keys.",
      },
      {
        wrong: "`np.sum(value * attention_weights[:, None], axis=0)`, with one number a value.",
        right:
          "There is one weight a key, and a value is a **vector** a key: the output is `weights @ V`, as wide as a value. The line as printed stops with an index error, since the softmax of one score has no second axis to give.",
      },
      {
        wrong:
          "The tutorial's first example: `np.dot(query, key.T)` on plain lists, no scale, and the softmax of its one score.",
        right:
          "It stops at once, a list having no `.T`; with arrays the softmax of one score is 1, and 1/√d is missing. The smallest example that does something has one query and two keys. It is above; change a number and see.",
      },
    ],
  },
  {
    id: "example",
    title: "The smallest example that is right",
    blocks: [
      {
        p: "All of it in forty lines of TypeScript, from nothing: three projections, scores, scale, mask, softmax, a mean of values. It runs here, in a worker of its own that reaches neither this page nor any network, and every line can be changed.",
      },
      {
        ask: "Token 2 is the last of three. The mask lets it see everything. What will its row of weights sum to?",
        choices: ["1", "3, one for each key", "whatever the scores add up to"],
        right: 0,
        answer: "The softmax hands out one whole, however many keys there are. Run it and add the last row up.",
      },
      { run: smallest, name: "code" },
      {
        p: "Now break it. Take `/ Math.sqrt(d)` out. Put `0` where `-Infinity` stands. Turn `j > i` into `j < i`. The last line says how far you are from the library; the gotcha lab says what each of them does to a whole model.",
      },
      {
        wrong:
          "The tutorial's own minimal example: `self_attention(Q, K, V)` that multiplies its arguments by `W_Q`, `W_K`, `W_V` from nowhere, transposes a batch with `.T`, keeps the upper triangle, multiplies scores by it, and has no softmax.",
        right:
          "One `x` goes in and is projected three times. Only the last two axes change places. The future is −∞ before a softmax over keys, whose rows sum to 1. As printed, its code stops at an undefined name; with the names filled in, token 0 is moved by token 3 and the last row is exactly zero.",
      },
      { heading: "With several heads" },
      { run: twoHeads, name: "code2" },
    ],
  },
  {
    id: "shapes",
    title: "Shapes",
    blocks: [
      {
        p: "A batch of texts is computed at once, and each text by several heads. Every tensor here is `[batch, heads, length, size]`; these are the ones of the run you have open:",
      },
      { live: "shapes" },
      {
        wrong: "Q, K, V and the result are all `(batch, length, d_model)`.",
        right:
          "Each head works in its own smaller space: `[B, H, L, d]` with d = d_model / H as a rule. Only after all heads are laid side by side and multiplied by W_O is the width d_model again (Vaswani et al. 2017, §3.2.2).",
      },
      {
        wrong: "`np.matmul(Q, K.T)` on a batch.",
        right:
          "It reverses **all** axes. Batch and length change places, and where they happen to be equal nothing even complains. Exchange the last two only.",
      },
      {
        ask: "Keys have 2 heads, queries have 6. Which key head does query head 4 read?",
        choices: ["key head 0", "key head 1"],
        right: 1,
        answer:
          "Heads 0–2 share key head 0 and heads 3–5 key head 1: contiguous groups, so head 4 reads key head 1. Tiling (head mod 2) is a bug that several libraries have shipped.",
      },
    ],
  },
  {
    id: "causal",
    title: "The causal mask",
    blocks: [
      {
        p: "A model that is to say the next token must not see it. So a token may look at itself and at what came before: the lower triangle. The hatched pairs below do not have weight 0, they are **absent**: the softmax never heard of them.",
      },
      { view: "map", says: "The map of one head. Hatched = may not attend.", set: { text: repeated, kind: "decoder" } },
      { live: "mask" },
      {
        wrong: "`np.triu(ones, 1)` as the mask of what is kept.",
        right: "That keeps exactly the future and hides the past and the token itself. Keep `np.tril(ones)`.",
      },
      {
        wrong: "“Scores are zeroed out for future tokens.”",
        right: "A score of 0 still weighs e⁰ = 1. Absence is −∞ **before** the softmax.",
      },
      {
        ask: "With the mask of the tutorial, what does the last token see?",
        choices: ["itself only", "everything", "nothing"],
        right: 2,
        answer:
          "Nothing: its row is empty. Some libraries give NaN, others a plain average of everything, masked tokens included. Here an empty row is zeros.",
      },
      { link: "Make these mistakes on this model: the gotcha lab", page: "gotchas" },
    ],
  },
  {
    id: "cost",
    title: "What it costs",
    blocks: [
      {
        p: "Scores and mixing each take N · N · d multiply-adds a head, half of them where the future is hidden and skipped. The projections of q and o take N · D · D each, with D = heads · d; those of k and v as much, or less where heads share them. For the run you have open:",
      },
      { live: "cost" },
      {
        wrong: "“The standard self-attention mechanism has a computational complexity of O(N² · D).”",
        right:
          "That is scores and mixing alone: 2 · N² · D multiply-adds a layer. The four projections take 4 · N · D² more, which is the larger part up to N = 2 · D: for most sentences, the mechanism's “quadratic” half is the smaller one.",
      },
      {
        wrong: "Quadratic memory, “so approximate”.",
        right:
          "Exact attention needs no N × N array. A row's weights are rebuilt from its log-sum-exp, tile by tile, in O(N) memory (Rabe & Staats 2021, arXiv:2112.05682; Dao et al. 2022, arXiv:2205.14135). The time stays quadratic. This page stores no map either: what you see was rebuilt from q, k and one number a row.",
      },
      {
        ask: "Ten thousand tokens, 12 heads, one layer: how large are all maps in float32, and how large are q, k and the row sums (d = 64)?",
        choices: ["48 MB and 62 MB", "480 MB and 62 MB", "4.8 GB and 62 MB"],
        right: 2,
        answer:
          "Maps: 12 · 10⁴ · 10⁴ · 4 bytes = 4.8 GB. q, k and row sums: 12 · 10⁴ · (64 + 64 + 1) · 4 bytes = 62 MB.",
      },
      {
        wrong:
          "Sparse, local and Reformer-style attention as one family of “approximations” that “maintain performance”.",
        right:
          "Windows and sparse patterns are **restrictions**: another function, exact for its own mask. Linformer and Performer **approximate**. Whether a model stays as good depends on the task (Long Range Arena, arXiv:2011.04006).",
      },
    ],
  },
  {
    id: "mistakes",
    title: "Three mistakes",
    blocks: [
      {
        ask: "Of the three, which one throws an error when you make it?",
        choices: ["a missing scale", "a wrong mask", "neither"],
        right: 2,
        answer:
          "Shapes agree, numbers are finite, training goes down. That is why they are shipped, and why they must be tested for and not looked for.",
      },
      { heading: "1. The scale" },
      {
        ask: "A query of 1,024 random numbers meets 64 random keys, and nobody divides by √d. How much of its weight does the largest key get on average?",
        choices: ["about a tenth", "about a half", "more than nine tenths"],
        right: 2,
        answer:
          "More than nine tenths: the scores are spread so widely that the softmax is nearly a choice of one, made before anything was learned. Divided by √d the same row gives its largest key about a tenth.",
      },
      {
        p: "If q and k have numbers of spread 1, their dot product over d numbers has spread √d. The larger d, the nearer the softmax comes to picking a single key, and the less of a slope passes through it:",
      },
      { live: "scale" },
      {
        wrong: "Without the scale, “the gradients will be dominated by the magnitude of the input”.",
        right:
          "They vanish: a saturated softmax hardly moves when its scores do, so q and k stop learning (Vaswani et al. 2017, footnote 4). Nor is the factor sacred: T5 folds it into how its weights begin, and divides by nothing.",
      },
      {
        wrong: "“Apply the scaling factor to the attention weights to prevent numerical instability.”",
        right:
          "It belongs to the **scores**. Scaled weights no longer sum to 1. And stability is another thing: subtracting the row's maximum takes care of it.",
      },
      { heading: "2. The mask" },
      {
        p: "Padding is masked along **keys**: nobody looks at a pad. What a pad's own row holds does not matter as long as nobody reads it, neither in a mean over tokens nor as the last position.",
      },
      { heading: "3. The length" },
      { p: "See the chapter on cost; and for what pays from which length, `qkv compare` measures on your machine." },
      {
        wrong: "Attention “computes the weighted sum of query vectors”.",
        right: "Of **values**. Queries only decide the shares.",
      },
      { link: "See each of them happen: the gotcha lab", page: "gotchas" },
    ],
  },
  {
    id: "heads",
    title: "Many heads",
    blocks: [
      {
        p: "One softmax gives one set of shares: a token that looks hard at the previous word cannot at the same time look hard at the verb. So there are several heads, each with its own projections, and the model is free to give them different jobs.",
      },
      {
        view: "heads",
        says: "Every head on this text. Choose one; its habit is scored against chance.",
        set: { text: repeated },
      },
      {
        wrong: "Q, K and V “are split into multiple heads”.",
        right:
          "Each head **projects** the whole input with its own weights. The projections of all heads are usually one matrix product, and the split is a view of its result. Splitting the unprojected input is a known bug.",
      },
      {
        ask: "In large language models many heads put nearly everything on the first token, whatever it is. Is it that important?",
        choices: ["yes: it sets the subject", "no: they rest there", "it depends on the text"],
        right: 1,
        answer:
          "No. A softmax must hand out a whole; a head that finds nothing parks it where it does no harm: on a token whose value is short (Xiao et al. 2023, arXiv:2309.17453; Kobayashi et al. 2020, arXiv:2004.10102). Weighed by values, α · ‖v · W_O‖, such a column fades. Whether the model you have open does so is counted below; a small one may have found no need.",
      },
      { live: "resting" },
    ],
  },
  {
    id: "block",
    title: "The whole block",
    blocks: [
      {
        p: "Attention mixes tokens; the feed-forward network then works on each token alone. Around both runs the **residual stream**: each part reads it and adds to it. In the model you have open, layer by layer:",
      },
      { live: "stream" },
      { heading: "One block, stage by stage" },
      {
        p: "Every operation of a block as it ran for one token, with that token's numbers after it. The stream goes straight down; norm, attention and feed-forward only read it and add.",
      },
      {
        ask: "Of all the stages below, which let a token take something from another token?",
        choices: ["attention alone", "attention and the feed-forward network", "all of them"],
        right: 0,
        answer:
          "Attention alone. Norm, projections and feed-forward work on each token by itself, with the same weights for all. Compare the two sums: which of the two adds the longer vector differs from block to block and from token to token.",
      },
      { live: "block" },
      {
        wrong: "“The output of attention is passed through the feed-forward network.”",
        right:
          "Between them stand a residual sum and a norm: h = x + attention(norm(x)), then h + ffn(norm(h)). The original paper normed after the sum; nearly all models since norm before, because deep stacks then train without tricks (Xiong et al. 2020, arXiv:2002.04745).",
      },
      {
        ask: "Zero one head. Does the text after it change completely?",
        choices: ["usually hardly", "usually beyond recognition"],
        right: 0,
        answer:
          "Usually hardly: its part of the sum is missing, everything else is still there. Usually, not always: “What if” silences every head in turn and names those without which the next word is another.",
      },
      {
        wrong: "Parallel “because it attends to all parts at once”.",
        right:
          "Because no position waits for another: a fixed number of steps, whatever the length. Writing a text is still one token after the other.",
      },
    ],
  },
  {
    id: "checklist",
    title: "The checklist, run",
    blocks: [
      {
        p: "The tutorial ends in a list: projections, scaling, masking, heads. A list one reads is soon forgotten; this one runs, on the model and text you have open:",
      },
      {
        ask: "The scale can be read off finished weights, without looking at any code. From what?",
        choices: ["the largest weight of a row", "the ratio of two weights of one row", "the sum of a row"],
        right: 1,
        answer:
          "ln(w₁/w₂) = scale · (q·k₁ − q·k₂): what the softmax divides by falls out. So a missing 1/√d is measured, not guessed.",
      },
      { live: "checklist" },
      { heading: "And on every number shown in this page" },
      { live: "checks" },
      {
        p: "For your own code, `qkv check my-attention.ts` does the same and more, and names the mistake, with the evidence and the line that mends it.",
      },
      { code: "npx qkv check my-attention.ts\nnpx qkv check ./my-model-folder\nnpx qkv check model.onnx" },
    ],
  },
  {
    id: "next",
    title: "What came next",
    blocks: [
      {
        p: "**BERT** (2018) keeps the encoder: no causal mask, trained to fill gaps. **GPT** keeps the decoder: the causal mask is what lets one pass train every position. **T5** has both, and adds a learned number for each distance to the scores instead of scaling them: a missing 1/√d is right there.",
      },
      {
        p: "Later: rotary positions, fewer key heads than query heads, norms of q and k, soft caps, learned sinks. All are options of one function here, and models that use them open with `loadModel`.",
      },
      {
        p: "For long texts: windows (Longformer, Mistral), blocks (BigBird), hashing (Reformer), low rank (Linformer), random features (Performer), linear and delta rules. Some are another function, some approximate the same; `qkv compare` shows time, memory and error on your own machine.",
      },
      {
        ask: "A window of 4 tokens (itself and three before it), 6 layers. How far back can the last token be influenced?",
        choices: ["3 tokens", "18 tokens", "any distance"],
        right: 1,
        answer:
          "At most 6 · 3 = 18 tokens before itself, and never further, however long it trains. One global token makes it two hops to anywhere.",
      },
      { code: "npx qkv compare --length 512..8192" },
      { link: "Lay each of them over your own text: the efficient lab", page: "efficient" },
    ],
  },
];
