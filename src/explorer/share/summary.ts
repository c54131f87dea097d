/** @file The picture in words: a page of Markdown for notes and issues, and a line to cite it by. */
import type { KindView, LayerMaps, RunView } from "../engine/protocol.js";
import { groupLabel, visible, weightText } from "../scene/tokens.js";

/** Characters that Markdown or HTML would read as their own. */
export const inMarkdown = (text: string): string =>
  visible(text).replace(/[\\`*_{}[\]()#+!|<>&~]/g, (c) => (c === "<" ? "&lt;" : c === ">" ? "&gt;" : c === "&" ? "&amp;" : `\\${c}`)); // biome-ignore format: one rule

/** Who computed it, of which model, on which text: no date, so that the same picture is cited alike. */
export function citation(run: RunView, layer: number, head: number): string {
  const by = [run.provenance.engine, run.provenance.version].filter(Boolean).join(" ");
  const edits = run.edits.length > 0 ? `, ${run.edits.length} changes by hand` : "";
  return `Attention of layer ${layer}, head ${head} of ${run.model.name} on “${visible(run.text.slice(0, 120))}”${edits}, computed by ${by}${run.provenance.kernel ? ` (${run.provenance.kernel} kernel)` : ""}.`;
}

/** Each token with the keys it looks at most. */
export function markdown(o: {
  run: RunView;
  k: KindView;
  maps: LayerMaps;
  head: number;
  link: string;
  command: string;
  top?: number;
}): string {
  const { run, k, maps, head, top = 3 } = o;
  const [R, C] = [maps.rows.length, maps.columns.length];
  const rows = maps.rows.map((group, i) => {
    const row = maps.values.subarray((head * R + i) * C, (head * R + i + 1) * C);
    const best = [...row.keys()].filter((j) => !Number.isNaN(row[j]!)).sort((a, b) => row[b]! - row[a]! || a - b).slice(0, top); // biome-ignore format: one list
    const cells = best.map((j) => `${inMarkdown(groupLabel(k.columns, maps.columns[j]!))} ${weightText(row[j]!)}`);
    while (cells.length < top) cells.push("");
    return `| ${i} | ${inMarkdown(groupLabel(k.rows, group))} | ${cells.join(" | ")} |`;
  });
  return [
    `# Layer ${maps.layer}, head ${head}: ${inMarkdown(run.model.name)}`,
    "",
    `> ${inMarkdown(run.text).replaceAll("\n", " ")}`,
    "",
    `| | token | ${Array.from({ length: top }, (_, n) => ["looks most at", "then at", "then at"][n] ?? "then at").join(" | ")} |`,
    `|---|---|${"---|".repeat(top)}`,
    ...rows,
    "",
    citation(run, maps.layer, head).replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`),
    "",
    "```",
    o.command.replaceAll("```", "'''"),
    "```",
    "",
    `[The same picture](${o.link.replace(/[()<>\s]/g, encodeURIComponent)})`,
    "",
  ].join("\n");
}
