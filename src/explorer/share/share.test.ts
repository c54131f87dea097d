import { execFileSync } from "node:child_process";
import { inflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { alignTokens, difference } from "../scene/align.js";
import { tokenLabel, visible } from "../scene/tokens.js";
import { shellWord } from "./command.js";
import { inHtml, inScript, onePage } from "./page.js";
import { csv, csvField } from "./tables.js";
import { crc32, npy, zip } from "./zip.js";

void inflateRawSync;

test("a page in one file holds hostile tokens as text and closes no script early", () => {
  const page = onePage({
    element: 'const x = "</script><!--";',
    trace: "AAAA",
    title: "</title><img onerror=x>",
    about: "<b>",
    layer: 0,
    head: 0,
    view: "map",
    query: -1,
    key: -1,
  });
  expect(page).not.toContain("<img");
  expect(page.match(/<\/script>/g)).toHaveLength(2);
  expect(new Function(`${inScript('return "</script><!--";')}`)()).toBe("</script><!--");
  expect(inHtml(`<a href="'&">`)).toBe("&#60;a href=&#34;&#39;&#38;&#34;&#62;");
});

test("tokens are made harmless and legible", () => {
  expect(tokenLabel({ text: " cat", raw: "Ġcat" })).toBe("cat");
  expect(tokenLabel({ text: " ", raw: "Ġ" })).toBe("␣");
  expect(tokenLabel({ text: "", raw: "<s>" })).toBe("<s>");
  expect(visible("a\u202eb\u0000\r\nc\u200b")).toBe("a⟨U+202E⟩b⟨U+0000⟩⏎c⟨U+200B⟩");
  expect(visible("👩‍👩‍👧 ﷽ 鯨")).toBe("👩‍👩‍👧 ﷽ 鯨");
});

test("CSV quotes what it must and runs no formula", () => {
  expect(csvField('a"b,c')).toBe('"a""b,c"');
  expect(csvField("=HYPERLINK(1)")).toBe("'=HYPERLINK(1)");
  const k = { rows: [{ text: "a" }, { text: "," }], columns: [{ text: "a" }, { text: "," }] } as unknown as KindView;
  const maps = { rows: [[0, 1], [1, 2]], columns: [[0, 1], [1, 2]], values: new Float32Array([1, Number.NaN, 0.25, 0.75]), heads: 1 } as unknown as LayerMaps; // biome-ignore format: a small map
  expect(csv(k, maps, 0)).toBe('query,a,","\r\na,1,\r\n",",0.25,0.75\r\n');
});

test("an npz is read by Python's own zipfile, name for name and byte for byte", () => {
  const array = npy(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
  expect(array.length % 64).toBe(24 % 64); // header padded to 64, then 24 bytes of numbers
  const file = zip([{ name: "weights.npy", bytes: array }]);
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926); // the check value of CRC-32
  const python = ["python3", "python"].find((p) => {
    try {
      execFileSync(p, ["--version"]);
      return true;
    } catch {
      return false;
    }
  });
  if (!python) return;
  const read = execFileSync(
    python,
    [
      "-c",
      "import sys,zipfile,io;z=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()));assert z.testzip() is None;sys.stdout.buffer.write(z.read('weights.npy'))",
    ],
    { input: file },
  );
  expect(new Uint8Array(read)).toEqual(array);
});

test("a word for the shell survives quotes", () => {
  expect(shellWord("plain-word")).toBe("plain-word");
  expect(execFileSync("sh", ["-c", `printf %s ${shellWord(`it's "$HOME" \`x\``)}`]).toString()).toBe(
    `it's "$HOME" \`x\``,
  );
});

test("two texts are aligned by their common tokens, and A minus A is exactly zero", () => {
  expect(alignTokens(["the", "cat", "sat"], ["the", "old", "cat", "sat"])).toEqual([[0, 0], [1, 2], [2, 3]]); // biome-ignore format: pairs
  const map = { values: new Float32Array([1, Number.NaN, 0.3, 0.7]), columns: 2 };
  const same = [[0, 0], [1, 1]] as const; // biome-ignore format: pairs
  expect([...difference(map, map, same, same)]).toEqual([0, Number.NaN, 0, 0]);
});
