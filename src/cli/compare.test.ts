import { describe, expect, test } from "vitest";
import { compare } from "../attention/efficient/compare.js";
import { command } from "./compare.js";
import { comparisonPage, comparisonText } from "./shared/comparison.js";
import { comparisonSvg } from "./shared/comparison-svg.js";

const measured = compare({ lengths: [16, 32], headDim: 4, repeats: 1, mechanisms: ["streaming", "performer"] });
const said = { machine: { cpu: "a <fast> cpu", cores: 2, load: 0.1, node: "v20" }, ...measured };

/** What a command prints and says when run with these arguments. */
async function run(...args: string[]): Promise<{ out: string; error: string }> {
  const log = console.log;
  let [out, error] = ["", ""];
  console.log = (text: string) => void (out += text);
  try {
    await command()
      .exitOverride()
      .parseAsync(["node", "compare", ...args]);
  } catch (e) {
    error = (e as Error).message;
  } finally {
    console.log = log;
  }
  return { out, error };
}

describe("qkv compare", () => {
  test("--json prints machine, conditions, rows and crossover", async () => {
    const { out } = await run(
      "--length",
      "16,32",
      "--dim",
      "4",
      "--mechanisms",
      "streaming",
      "--repeats",
      "1",
      "--json",
    );
    const json = JSON.parse(out);
    expect(json.rows.map((r: { mechanism: string; length: number }) => `${r.mechanism} ${r.length}`)).toEqual([
      "exact 16",
      "streaming 16",
      "exact 32",
      "streaming 32",
    ]);
    expect(json.conditions).toMatchObject({ heads: 1, headDim: 4, causal: true });
    expect(json.crossover).toHaveLength(1);
  });
  test("the table has a line for each measurement, and says what kind of number each is", () => {
    const lines = comparisonText(said, 80).split("\n");
    expect(lines.filter((l) => /^ +(16|32) {2}[a-zA-Z]/.test(l))).toHaveLength(6);
    expect(lines.some((l) => l.startsWith("length  mechanism"))).toBe(true);
    expect(Math.max(...lines.filter((l) => /^ {10}/.test(l)).map((l) => l.length))).toBeLessThanOrEqual(100);
  });
  test("the plot has a panel each for time, memory, error and mass, a curve a mechanism, and follows a dark page", () => {
    const svg = comparisonSvg(said);
    const panels = svg.split("<g ").slice(1, 5);
    expect(panels.map((p) => /font-weight="600">([^<]*)/.exec(p)![1])).toEqual([
      "time",
      "scratch memory beside the result",
      "error",
      "share of exact attention's weight that is seen",
    ]);
    // exact has no error to plot, and neither does what sees all; performer mixes all keys and so has no mass
    expect(panels.map((p) => p.split("<polyline").length - 1)).toEqual([3, 3, 1, 2]);
    expect(svg).toContain("prefers-color-scheme:dark");
  });
  test("model and text may stand first, but not be said twice", async () => {
    expect((await run("bundled")).error).toBe(
      'qkv compare: --model has nothing to read; expected one of --text and --file. Fix: add --text "…" or --file FILE.',
    );
    expect((await run("bundled", "a", "--model", "gpt2")).error).toBe(
      'qkv compare: --model is given twice: "bundled" and "gpt2"; expected one of them.',
    );
  });
  test("what sees every key is said to be exact attention, whatever its clock says", () => {
    const text = comparisonText(said, 80);
    expect(text).toContain("streaming: sees every key up to 32 tokens, so it is exact attention there");
    expect(text).toMatch(/performer: (not )?faster than exact attention/);
  });
  test("a model is compared on what it read, and halves of it, where no lengths are given", async () => {
    const text =
      "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.";
    const args = ["bundled", text, "--mechanisms", "fixed", "--repeats", "1", "--json"];
    const { rows, model } = JSON.parse((await run(...args)).out);
    const lengths = [...new Set<number>(rows.map((r: { length: number }) => r.length))];
    expect(lengths.at(-1)).toBe(model.tokens);
    expect(lengths.slice(-2)).toEqual([Math.floor(model.tokens / 2), model.tokens]);
  });
  test("SVG and page are whole, escaped, and need no network", () => {
    expect(comparisonSvg(said)).toMatch(/^<svg [\s\S]*<\/svg>$/);
    const page = comparisonPage(said);
    expect(page).toContain("a &#60;fast&#62; cpu");
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });
  test.each([
    [
      ["--length", "32..16"],
      'qkv compare: --length is "32..16"; expected FROM..TO, such as 512..65536, or an ascending list, such as 512,2048.',
    ],
    [
      ["--length", "a"],
      'qkv compare: --length is "a"; expected FROM..TO, such as 512..65536, or an ascending list, such as 512,2048.',
    ],
    [["--budget", "0"], 'qkv compare: --budget is "0"; expected seconds above 0.'],
    [
      ["--model", "bundled"],
      'qkv compare: --model has nothing to read; expected one of --text and --file. Fix: add --text "…" or --file FILE.',
    ],
  ])("%s is refused in one line", async (args, message) => expect((await run(...args)).error).toBe(message));
});
