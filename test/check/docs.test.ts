import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { pageOf, rulePage, rulesTable } from "../../src/check/docs.js";
import { rules } from "../../src/check/index.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../docs/check");
const writing = process.argv.includes("-u") || process.env["WRITE_DOCS"] !== undefined;

test("every rule has its page, made from the rule", () => {
  if (writing) {
    mkdirSync(folder, { recursive: true });
    for (const r of rules) writeFileSync(join(folder, pageOf(r)), rulePage(r));
    writeFileSync(join(folder, "rules.md"), `# Rules\n\n${rulesTable(rules)}`);
  }
  for (const r of rules) {
    expect(
      existsSync(join(folder, pageOf(r))),
      `${pageOf(r)}: run WRITE_DOCS=1 npx vitest run test/check/docs.test.ts`,
    ).toBe(true);
    expect(readFileSync(join(folder, pageOf(r)), "utf8")).toBe(rulePage(r));
  }
  const pages = readdirSync(folder).filter((n) => n.endsWith(".md"));
  expect(pages.sort()).toEqual([...rules.map(pageOf), "README.md", "rules.md", "tutorial.md"].sort());
});

test("the catalogue has the forty-one mistakes by their names", () => {
  const named =
    `mask-inverted mask-multiplied-before-softmax mask-constant-wrong mask-after-softmax mask-on-query-axis mask-head-order
    dead-row-NaN dead-row-uniform NaN-through-mask mask-overflow-fp16 scale-missing scale-d_model scale-by-heads softmax-axis
    softmax-unstable fp16-scores-overflow heads-split-without-transpose heads-merged-without-transpose project-after-split
    batch-as-sequence gqa-tile-for-repeat gqa-repeat-on-sequence-axis causal-reversed causal-off-by-one causal-alignment
    cache-prefill-not-causal cache-history-masked causal-dropped-on-a-path window-off-by-one softcap-after-mask rope-layout
    rope-offset-in-cache alibi-slopes t5-bias-in-cross-attention left-pad-positions pad-in-pooling pad-attends-pad
    dropout-at-eval documents-leak-in-pack batch-dependence state-leak`.split(/\s+/);
  expect(named).toHaveLength(41);
  const ids = rules.map((r) => r.id);
  expect(named.filter((id) => !ids.includes(id))).toEqual([]);
});
