import { describe, expect, test } from "vitest";
import { colourDepth, inkOn, paint, weightColour } from "./colour.js";
import { fitted, safe, shownToken, textWidth } from "./label.js";
import { drawMap } from "./map.js";
import { distances, drawTable, sparkline, topKeys } from "./table.js";

const words = ["The", "Ġcat", "Ġsat", "Ġon", "Ġthe", "Ġmat"];
/** Each token looks half at itself and half, evenly, at those before it: numbers that can be checked by eye. */
const half = Float32Array.from(
  words.flatMap((_, i) => words.map((_, j) => (j > i ? Number.NaN : i === 0 ? 1 : j === i ? 0.5 : 0.5 / i))),
);
/** A map of n tokens where one lone pair has weight 0.9 and every other weight is 0.001. */
const spike = (n: number, row: number, column: number) => {
  const data = new Float32Array(n * n).fill(0.001);
  data[row * n + column] = 0.9;
  return data;
};
const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `t${i}`);

describe("a head's map", () => {
  test("plain, 80 columns: every weight as a percentage, masked pairs as a point", () =>
    expect(
      `\n${drawMap(half, { width: 80, depth: "none", rows: words, columns: words }).join("\n")}\n`,
    ).toMatchInlineSnapshot(`
      "
              T   c   s       t   m
              h   a   a   o   h   a
              e   t   t   n   e   t
       The  100   ·   ·   ·   ·   ·
       cat   50  50   ·   ·   ·   ·
       sat   25  25  50   ·   ·   ·
        on   17  17  17  50   ·   ·
       the   13  13  13  13  50   ·
       mat   10  10  10  10  10  50
      "
    `));

  test("the same at 200 columns is not stretched", () =>
    expect(drawMap(half, { width: 200, depth: "none", rows: words, columns: words })).toEqual(
      drawMap(half, { width: 80, depth: "none", rows: words, columns: words }),
    ));

  test("forty tokens in 40 columns are pooled, and the lone spike is there", () => {
    const lines = drawMap(spike(40, 11, 30), { width: 40, depth: "none", rows: names(40), columns: names(40) });
    expect(Math.max(...lines.slice(0, -1).map(textWidth))).toBeLessThanOrEqual(40);
    expect(lines.slice(0, -1).join("")).toContain("█");
    expect(lines.at(-1)).toContain("a cell is the largest of 2 × 2 weights");
  });

  test("ten thousand rows would not be printed: a thousand tokens give at most 160 lines and keep the spike", () => {
    const lines = drawMap(spike(1000, 777, 3), { width: 120, depth: "none", rows: names(1000), columns: names(1000) });
    expect(lines.length).toBeLessThanOrEqual(161);
    expect(lines.slice(0, -1).join("")).toContain("█");
  });

  test("true colour prints two rows a line", () => {
    const lines = drawMap(spike(40, 1, 1), { width: 80, depth: "true", rows: names(40), columns: names(40) });
    expect(lines).toHaveLength(21);
    expect(lines[0]).toContain("\u001b[38;2;");
  });
});

describe("numbers beside it", () => {
  test("the largest keys of each query, exact to four places", () =>
    expect(`\n${drawTable(half, words, words, 2).join("\n")}\n`).toMatchInlineSnapshot(`
      "
         0 The  → The@0 1.0000
         1  cat → The@0 0.5000  cat@1 0.5000
         2  sat → sat@2 0.5000  The@0 0.2500
         3  on  → on@3 0.5000  The@0 0.1667
         4  the → the@4 0.5000  The@0 0.1250
         5  mat → mat@5 0.5000  The@0 0.1000
      "
    `));
  test("a row that sees nothing says so", () =>
    expect(drawTable(new Float32Array(2), ["a"], ["b", "c"], 3)[0]).toContain("every key is masked"));
  test("equal weights keep the order of the text", () =>
    expect(topKeys([0.25, 0.5, 0.25], 2).map((x) => x.key)).toEqual([1, 0]));
  test("a previous-token head has its bar at distance 1", () => {
    const n = 8;
    const data = Float32Array.from({ length: n * n }, (_, x) => (Math.floor(x / n) - 1 === x % n ? 1 : 0));
    const back = distances(data, n, n, 8);
    expect(back).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(sparkline(data, n, n, back, "none")).toBe("▁█▁▁▁▁▁▁");
  });
  test("a head that sees ahead gets bars on both sides of itself", () => {
    const n = 8;
    const data = Float32Array.from({ length: n * n }, (_, x) => (Math.floor(x / n) + 1 === x % n ? 1 : 0));
    const back = distances(data, n, n, 5);
    expect(back).toEqual([-2, -1, 0, 1, 2]);
    expect(sparkline(data, n, n, back, "none")).toBe("▁█▁▁▁");
  });
});

describe("labels and colours", () => {
  test("a token cannot move the cursor or turn the line round", () => {
    expect(safe("a\u001b[2Jb\u202ec\nd")).toBe("a·[2Jb·c⏎d");
    expect(shownToken("Ġcat")).toBe(" cat");
  });
  test("wide characters count twice and are not cut in half", () => {
    expect(textWidth("猫が座る")).toBe(8);
    expect(fitted("猫が座る", 5)).toBe("猫が…");
    expect(textWidth("👩‍👩‍👧")).toBe(2);
  });
  test("NO_COLOR wins over everything, a pipe gets text, COLORTERM gets 24 bits", () => {
    expect(colourDepth({ isTTY: true }, { NO_COLOR: "1", FORCE_COLOR: "3" })).toBe("none");
    expect(colourDepth({}, {})).toBe("none");
    expect(colourDepth({ isTTY: true }, { COLORTERM: "truecolor" })).toBe("true");
    expect(colourDepth({ isTTY: true }, { TERM: "xterm-256color" })).toBe("256");
    expect(colourDepth({ isTTY: true }, { TERM: "dumb" })).toBe("none");
  });
  test("the 256-colour cube is used where 24 bits are not to be had", () =>
    expect(paint("x", "256", [255, 0, 0])).toBe("\u001b[38;5;196mx\u001b[0m"));
  test("numbers stay readable on every colour of the scale: contrast at least 4.5", () => {
    const luminance = (c: readonly number[]): number =>
      c
        .map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((s, x, i) => s + x * [0.2126, 0.7152, 0.0722][i]!, 0);
    for (let w = 0; w <= 1; w += 0.01) {
      const [a, b] = [luminance(weightColour(w)), luminance(inkOn(weightColour(w)))].sort((x, y) => y - x) as [
        number,
        number,
      ];
      expect((a + 0.05) / (b + 0.05)).toBeGreaterThanOrEqual(4.5);
    }
  });
});
