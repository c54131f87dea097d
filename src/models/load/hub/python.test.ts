/** One cache for both: Python's huggingface_hub reads what we fetch, and we what it fetches. `QKV_PYTHON` names a Python that has it. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { downloadModel } from "./download.js";
import { commit, type Loopback, loopbackHub } from "./loopback.fixture.js";

const python = process.env["QKV_PYTHON"] ?? "python3";
const has = spawnSync(python, ["-c", "import huggingface_hub"]).status === 0;
if (!has) console.warn(`Python's cache is not checked: ${python} has no huggingface_hub; QKV_PYTHON names another.`);

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const files = {
  "config.json": bytes('{ "model_type": "llama" }'),
  "tokenizer.json": bytes("{}"),
  "1_Pooling/config.json": bytes("{}"),
  "model.safetensors": new Uint8Array(300_000).fill(7),
};
let hub: Loopback;
let cache: string;
beforeEach(async () => {
  hub = await loopbackHub({ files });
  cache = mkdtempSync(join(tmpdir(), "qkv-hub-"));
});
afterEach(async () => {
  await hub.close();
  rmSync(cache, { recursive: true, force: true });
});

async function say(code: string): Promise<string> {
  const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_HUB_DISABLE_XET: "1", HF_TOKEN: "" };
  const { stdout } = await promisify(execFile)(python, ["-c", `from huggingface_hub import *\nprint(${code})`], {
    env,
  });
  return stdout.trim();
}
const ours = (more: object = {}) => downloadModel("org/name", { endpoint: hub.endpoint, cacheDir: cache, ...more });

test.skipIf(!has)(
  "what we fetch Python finds, without asking for a file again",
  async () => {
    const { folder } = await ours();
    const found = `[try_to_load_from_cache("org/name", f) for f in ${JSON.stringify(Object.keys(files))}]`;
    const cached = "[(r.repo_id, r.nb_files) for r in scan_cache_dir().repos], scan_cache_dir().warnings";
    expect(await say(`*${found}, snapshot_download("org/name", local_files_only=True), ${cached}, sep="\\n"`)).toBe(
      // Two of the four have equal contents, which lie there once.
      [...Object.keys(files).map((f) => join(folder, f)), folder, "[('org/name', 3)]", "[]"].join("\n"),
    );
    const before = hub.requests.length;
    expect(await say('snapshot_download("org/name")')).toBe(folder);
    expect(hub.requests.slice(before).filter((r) => r.line.includes("/resolve/"))).toEqual([]);
  },
  60_000,
);

test.skipIf(!has)(
  "what Python fetches we find, with a network and without",
  async () => {
    const folder = await say('snapshot_download("org/name")');
    const [before, held] = [hub.requests.length, readdirSync(join(cache, "models--org--name"), { recursive: true })];
    expect(await ours()).toMatchObject({ folder, commit });
    expect(hub.requests.slice(before).map((r) => r.line)).toEqual(["GET /api/models/org/name/revision/main"]);
    expect(await ours({ offline: true })).toMatchObject({ folder, commit });
    expect(hub.requests.length).toBe(before + 1);
    expect(readdirSync(join(cache, "models--org--name"), { recursive: true })).toEqual(held);
  },
  60_000,
);
