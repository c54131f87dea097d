import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inFolder, qkv } from "./run.js";

const text = "the whale and the ship and the whale";
const hostile = `</script><img src=x onerror="alert(1)"> \u202egnp.exe & <b>`;

describe("qkv", () => {
  test("without arguments shows what it can do", () => {
    const { out, err } = qkv([]);
    for (const name of ["explore", "view", "check", "trace"]) expect(out + err).toContain(name);
  });
  test("a mistyped command is named and the nearest one suggested, exit 2", () => {
    const { code, err } = qkv(["veiw"]);
    expect(code).toBe(2);
    expect(err).toContain("veiw");
    expect(err).toContain("Did you mean view?");
    expect(err).not.toContain("    at ");
  });
  test.each(["explore", "view", "check", "trace", "generate", "train", "get", "compare", "onnx", "bench", "embed"])(
    "%s has help with its options",
    (name) => {
      const { code, out } = qkv([name, "--help"]);
      expect(code).toBe(0);
      expect(out).toContain(`qkv ${name}`);
    },
  );
});

describe("qkv view", () => {
  test("every head in a line, the map of one, and its numbers", () => {
    const { code, out, err } = qkv(["view", "bundled", text]);
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/layer head {2}itself · back/);
    expect(out).toMatch(/layer \d head \d of bundled/);
    expect(out).toMatch(/^ {3}0 .* → .*@0 1\.0000$/m); // the first token can only see itself
  });

  test("--json gives the weights, null where a pair may not attend; rows sum to one", () => {
    const { out } = qkv(["view", "bundled", text, "--layer", "1", "--head", "2", "--json"]);
    const { weights, layer, head, rows } = JSON.parse(out);
    expect([layer, head]).toEqual([1, 2]);
    expect(rows.tokens).toHaveLength(weights.length);
    weights.forEach((row: (number | null)[], i: number) => {
      expect(row.slice(i + 1).every((w) => w === null)).toBe(true);
      expect(row.slice(0, i + 1).reduce<number>((a, w) => a + w!, 0)).toBeCloseTo(1, 5);
    });
  });

  test("a part of the map is that part of the whole", () => {
    const whole = JSON.parse(qkv(["view", "bundled", text, "-l", "0", "-h", "0", "--json"]).out).weights;
    const part = JSON.parse(
      qkv(["view", "bundled", text, "-l", "0", "-h", "0", "--rows", "2:4", "--columns", ":3", "--json"]).out,
    ).weights;
    expect(part).toEqual(whole.slice(2, 4).map((r: number[]) => r.slice(0, 3)));
  });

  test("SVG, PNG and a page; the same again are the same bytes; tokens stay text", () =>
    inFolder((folder) => {
      const paths = ["a.svg", "a.png", "a.html", "b.svg", "b.png", "b.html"].map((n) => join(folder, n));
      for (const n of [0, 3]) {
        const { code } = qkv([
          "view",
          "bundled",
          hostile,
          "-l",
          "0",
          "-h",
          "0",
          "--svg",
          paths[n]!,
          "--png",
          paths[n + 1]!,
          "--html",
          paths[n + 2]!,
        ]);
        expect(code).toBe(0);
      }
      const [svg, png, html, ...again] = paths.map((p) => readFileSync(p));
      expect(again).toEqual([svg, png, html]);
      expect(png!.subarray(1, 4).toString()).toBe("PNG");
      for (const page of [svg!.toString(), html!.toString()]) {
        expect(page).not.toMatch(/<script|<img|<b>|\u202e/);
        expect(page).not.toMatch(/(src|href)=["']?https?:/);
      }
    }));

  test("a kept trace shows the same map", () =>
    inFolder((folder) => {
      const file = join(folder, "run.safetensors");
      expect(qkv(["trace", "bundled", text, "-o", file]).code).toBe(0);
      const fromFile = JSON.parse(qkv(["view", file, "-l", "1", "-h", "1", "--json"]).out);
      const fresh = JSON.parse(qkv(["view", "bundled", text, "-l", "1", "-h", "1", "--json"]).out);
      expect(fromFile.weights).toEqual(fresh.weights);
    }));

  test("colour is there when forced and gone with NO_COLOR", () => {
    expect(qkv(["view", "bundled", text], { NO_COLOR: "", FORCE_COLOR: "3" }).out).toContain("\u001b[38;2;");
    expect(qkv(["view", "bundled", text], { FORCE_COLOR: "3" }).out).not.toContain("\u001b[");
  });
});

describe("bad use is one line and exit 2", () => {
  const refused = (...args: string[]): string => {
    const { code, out, err } = qkv(args);
    expect(out).toBe("");
    expect(code).toBe(2);
    expect(err.trim().split("\n")).toHaveLength(1);
    return err.trim();
  };
  test("no text", () => expect(refused("view", "bundled")).toMatch(/^[\w ]+: .+\.$/));
  test("an empty text", () => expect(refused("view", "bundled", "")).toMatch(/^[\w ]+: .+\.$/));
  test("a layer that is no number", () =>
    expect(refused("view", "bundled", "a", "--layer", "two")).toMatch(/^[\w ]+: .+\.$/));
  test("a layer that is not there", () =>
    expect(refused("view", "bundled", "a b", "-l", "9", "-h", "0")).toMatch(/^[\w ]+: .+\.$/));
  test("a head that is not there", () =>
    expect(refused("view", "bundled", "a b", "-l", "0", "-h", "9")).toMatch(/^[\w ]+: .+\.$/));
  test("rows past the end", () =>
    expect(refused("view", "bundled", "a b", "--rows", "900:")).toMatch(/^[\w ]+: .+\.$/));
  test("a kind the model has not", () =>
    expect(refused("view", "bundled", "a b", "--kind", "cross")).toMatch(/^[\w ]+: .+\.$/));
  test("a kind nobody has", () =>
    expect(refused("view", "bundled", "a b", "--kind", "sideways")).toMatch(/^[\w ]+: .+\.$/));
  test("a folder that is not there", () => expect(refused("view", "./no-such-model", "a b")).toMatch(/^[\w ]+: .+\.$/));
  test("a file that cannot be written", () =>
    expect(refused("trace", "bundled", "a b", "-o", "/proc/none/run.safetensors")).toMatch(/^[\w ]+: .+\.$/));
});
