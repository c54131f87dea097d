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
  chapter(
    "why",
    "1 · Why attention",
    "What a recurrent network loses on the way, computed now, and what attention does instead.",
  ),
  chapter("intuition", "2 · Who looks at whom", "One sentence, and what each word takes from the others."),
  chapter("numbers", "3 · Query, key, value", "Three tokens, two numbers each, every step by hand."),
  chapter("example", "4 · The smallest example", "Forty lines of TypeScript that run here and can be changed."),
  chapter("shapes", "5 · Shapes", "What is [batch, heads, length, size], on the model you have open."),
  chapter("causal", "6 · The causal mask", "Why the future must be absent, and what zeroing does instead."),
  chapter("cost", "7 · What it costs", "Where N² is, where it is not, and what memory really needs."),
  chapter("mistakes", "8 · Three mistakes", "Scale, mask and length, each made on purpose."),
  chapter("heads", "9 · Many heads", "What one head cannot do, and what several do here."),
  chapter("block", "10 · The whole block", "Norm, attention, residual, feed-forward, stage by stage."),
  chapter("checklist", "11 · The checklist, run", "The tutorial's list as tests on this very model."),
  chapter("next", "12 · What came next", "BERT, GPT, T5, and attention for long texts."),
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
  {
    id: "path",
    title: "Path trace",
    says: "From the word it is about to say back through the strongest edges, each tested by cutting it.",
    group: "lab",
    load: async () => (await import("./labs/path-lab.js")).tag,
  },
  {
    id: "corpus",
    title: "Over many texts",
    says: "What each head does over a whole corpus, with intervals; which heads change their job in another.",
    group: "lab",
    load: async () => (await import("./labs/corpus-lab.js")).tag,
  },
  {
    id: "reference",
    title: "Against a reference",
    says: "The same text traced by another engine: the first layer, head and cell where they part.",
    group: "lab",
    load: async () => (await import("./labs/reference-lab.js")).tag,
  },
];
