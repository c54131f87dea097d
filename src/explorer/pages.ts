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

export const pages: readonly Page[] = [
  {
    id: "gotchas",
    title: "Gotcha lab",
    says: "The mistakes everybody makes, beside the right thing, on your own sentence.",
    group: "lab",
    load: async () => (await import("./labs/gotcha-lab.js")).tag,
  },
];
