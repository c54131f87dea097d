import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../goldens/where.js";
import { inFolder, qkv } from "./run.js";

describe("qkv train", () => {
  test.each([
    [["--task", "sort"], 'qkv train: --task is "sort"; expected one of recall, copy, heads, bundled.'],
    [["--task", "recall", "--model", "lstm,mamba"], 'qkv train: --model is "mamba"; expected all, or any of rnn, lstm, gru, attention, unscaled, with commas between them.'],
    [["--task", "heads", "--distance", "8"], "qkv train: --distance does nothing for --task heads; expected it with --task recall or copy. Fix: leave --distance out."],
    [["--task", "bundled", "--html", "x.html"], "qkv train: --html does nothing for --task bundled; expected it with --task recall or copy or heads. Fix: leave --html out."],
    [["--task", "copy", "--rows", "0"], 'qkv: --rows is "0"; expected a whole number of at least 1.'],
    [["--task", "recall", "--svg", root], `qkv train: --svg ${root} is a folder. Fix: give another name.`],
    [["--task", "recall", "--html", join(root, "package.json/why.html")], `qkv train: --html ${join(root, "package.json/why.html")} cannot be written (ENOTDIR). Fix: give another name.`],
  ])("%j is refused in one line, before anything is trained", (args, says) => {
    const { code, out, err } = qkv(["train", ...args]);
    expect({ code, out, err }).toEqual({ code: 2, out: "", err: `${says}\n` });
  }); // biome-ignore format: a table

  test("runs side by side: a page and a picture with the sentence, the command and every number", () => {
    inFolder((folder) => {
      const [page, picture, numbers] = ["why.html", "why.svg", "why.json"].map((n) => join(folder, n));
      const { code, err } = qkv(["train", "--task", "copy", "--model", "lstm,attention", "--no-scale", "--steps", "4", "--distance", "6", "--parameters", "600", "--html", page!, "--svg", picture!, "--json", numbers!]); // biome-ignore format: one command
      const begun = "LSTM: 4 steps …\nattention: 4 steps …\nattention without 1/√d: 4 steps …\n";
      expect({ code, err }).toEqual({ code: 0, err: begun });
      const runs = JSON.parse(readFileSync(numbers!, "utf8")) as { model: string; steps: number }[];
      expect(runs.map((r) => [r.model, r.steps])).toEqual([["lstm", 4], ["attention", 4], ["unscaled", 4]]); // biome-ignore format: a table
      for (const text of [readFileSync(page!, "utf8"), readFileSync(picture!, "utf8")]) {
        expect(text).toContain("After 4 steps, right answers:");
        expect(text).toContain("qkv train --task copy --model lstm,attention,unscaled --steps 4 --distance 6 --parameters 600"); // biome-ignore format: one command
      }
    });
  });

  test("Ctrl+C: what was learned until then is reported and written, and what was not begun is named", async () => {
    const folder = mkdtempSync(join(tmpdir(), "qkv-train-"));
    try {
      const numbers = join(folder, "runs.json");
      const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), "train", "--task", "recall", "--model", "rnn,lstm", "--steps", "1000000", "--parameters", "500", "--distance", "2", "--json", numbers]); // biome-ignore format: one command
      let err = "";
      child.stderr.on("data", (d: Buffer) => {
        const before = err;
        err += d;
        if (err.includes("RNN: 1000000 steps") && !before.includes("RNN: 1000000 steps")) child.kill("SIGINT");
      });
      const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
      expect(code).toBe(130);
      expect(err).toContain("Not trained: LSTM.");
      expect(existsSync(numbers)).toBe(true);
      const [run] = JSON.parse(readFileSync(numbers, "utf8")) as { steps: number; of: number; losses: unknown[] }[];
      expect(run!.losses).toHaveLength(run!.steps);
      expect(run!.of).toBe(1_000_000);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
