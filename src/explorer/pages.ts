/**
 * @file The pages of the explorer beside the explorer itself. To add one: a custom element in `labs/` or `chapters/` (extend
 * `View` of `views/base.ts`, `define("qkv-…", …)` it) and a line here. A page is loaded when it is first opened, so its
 * code costs nothing before. Its arithmetic goes into `engine/labs.ts`, called with `store.engine.lab(name, asked, options)`.
 * What it must remember goes into `choice.extra`, which is part of the link.
 */
export interface Page {
  id: string;
  title: string;
  /** One line for the contents. */
  says: string;
  group: "lab" | "chapter";
  /** Loads the element and gives its tag. */
  load(): Promise<string>;
}

const chapter = (id: string, title: string, says: string): Page => ({
  id,
  title,
  says,
  group: "chapter",
  load: async () => (await import("./chapters/chapter.js")).chapterTag(id),
});

export const pages: readonly Page[] = [
  chapter("intuition", "1 · Who looks at whom", "One sentence, and what each word takes from the others."),
  chapter("numbers", "2 · Query, key, value", "Three tokens, two numbers each, every step by hand."),
  chapter("shapes", "3 · Shapes", "What is [batch, heads, length, size], on the model you have open."),
  chapter("causal", "4 · The causal mask", "Why the future must be absent, and what zeroing does instead."),
  chapter("cost", "5 · What it costs", "Where N² is, where it is not, and what memory really needs."),
  chapter("mistakes", "6 · Three mistakes", "Scale, mask and length, each made on purpose."),
  chapter("heads", "7 · Many heads", "What one head cannot do, and what several do here."),
  chapter("block", "8 · The whole block", "Norm, attention, residual, feed-forward: what each adds."),
  chapter("checklist", "9 · The checklist, run", "The tutorial's list as tests on this very run."),
  chapter("next", "10 · What came next", "BERT, GPT, T5, and attention for long texts."),
  {
    id: "gotchas",
    title: "Gotcha lab",
    says: "The mistakes everybody makes, beside the right thing, on your own sentence.",
    group: "lab",
    load: async () => (await import("./labs/gotcha-lab.js")).tag,
  },
  {
    id: "sequence",
    title: "Sequence lab",
    says: "RNN, LSTM and attention learn the same task before your eyes; why attention won.",
    group: "lab",
    load: async () => (await import("./labs/sequence-lab.js")).tag,
  },
  {
    id: "forming",
    title: "Watch a head form",
    says: "Two layers learn to find what came after: an induction head appears.",
    group: "lab",
    load: async () => (await import("./labs/forming-lab.js")).tag,
  },
  {
    id: "efficient",
    title: "Efficient lab",
    says: "Windows, strides, blocks and random features over your own text: what is kept, what is lost, what it costs.",
    group: "lab",
    load: async () => (await import("./labs/efficient-lab.js")).tag,
  },
];
