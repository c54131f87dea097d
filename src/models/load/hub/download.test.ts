import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeSafetensors, tensor } from "../../../tensor/index.js";
import { downloadModel } from "./download.js";
import { commit, type Loopback, type LoopbackOptions, loopbackHub } from "./loopback.fixture.js";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const weights = writeSafetensors([{ name: "w", value: tensor(Float32Array.from({ length: 50000 }, (_, i) => i)) }]);
const files = {
  "config.json": text('{ "model_type": "llama" }'),
  "README.md": text("not needed"),
  "tokenizer.json": text("{}"),
  "1_Pooling/config.json": text("{}"),
  "model.safetensors": weights,
  "pytorch_model.bin": text("never fetched"),
};

let hub: Loopback | undefined;
let cacheDir: string;
beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), "qkv-hub-"));
});
afterEach(async () => {
  await hub?.close();
  hub = undefined;
  rmSync(cacheDir, { recursive: true, force: true });
});

async function get(
  options: Partial<LoopbackOptions> = {},
  more: Parameters<typeof downloadModel>[1] = {},
  id = "org/name",
) {
  hub ??= await loopbackHub({ files, ...options });
  return downloadModel(id, { endpoint: hub.endpoint, cacheDir, token: undefined, offline: false, ...more });
}
const storage = (): string => join(cacheDir, "models--org--name");
const gets = (file: string) => hub!.requests.filter((r) => r.line.startsWith("GET") && r.line.includes(file));
const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (e: Error) => e.message.replaceAll(cacheDir, "CACHE").replaceAll(hub?.endpoint ?? "-", "HUB"),
  );

test("a model lands in the cache as Python lays it out, only the files that are read", async () => {
  const done = await get();
  expect(done.files).toEqual(["config.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors"]);
  expect(done.folder).toBe(join(storage(), "snapshots", commit));
  expect(readFileSync(join(storage(), "refs/main"), "utf8")).toBe(commit);
  const link = readlinkSync(join(done.folder, "1_Pooling/config.json"));
  expect(link).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
  expect(readdirSync(join(storage(), "blobs")).filter((f) => /incomplete|lock/.test(f))).toEqual([]);
});

test("what is there is not fetched again", async () => {
  await get();
  await get();
  expect(gets("model.safetensors")).toHaveLength(1);
});

test("a broken connection is taken up where it broke off", async () => {
  const done = await get({ cuts: { "model.safetensors": [70000, 60000] } });
  // What had arrived when the connection ended may be less than what was sent, never more.
  const starts = gets("model.safetensors").map((r) => Number(r.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0));
  expect(starts).toHaveLength(3);
  expect(starts[0]).toBe(0);
  expect(starts[1]).toBeLessThanOrEqual(70000);
  expect(starts[2]).toBeGreaterThanOrEqual(starts[1]!);
  expect(starts[2]).toBeLessThanOrEqual(130000);
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
});

test("a server without ranges is read from the beginning again", async () => {
  const done = await get({ cuts: { "model.safetensors": [70000] }, noRanges: true });
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
});

test("a connection that breaks off every time is one line, and what came is kept for the next run", async () => {
  expect(await message(get({ cuts: { "model.safetensors": [9000, 9000, 9000, 9000, 9000] } }))).toMatch(
    /^get: model\.safetensors of org\/name broke off( after \d+ of \d+ bytes)?\. Fix: run the same again: it goes on where it broke off\.$/,
  );
  const blobs = join(storage(), "blobs");
  const left = readdirSync(blobs).filter((f) => f.endsWith(".incomplete"));
  const kept = left.length > 0 ? readFileSync(join(blobs, left[0]!)).length : 0;
  const done = await get();
  expect(gets("model.safetensors").at(-1)!.range).toBe(kept > 0 ? `bytes=${kept}-` : undefined);
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
});

test("a wrong checksum: nothing is kept", async () => {
  const bad = weights.slice();
  bad[bad.length - 1]! ^= 1;
  expect(await message(get({ damaged: { "model.safetensors": bad } }))).toMatch(
    /^get: model\.safetensors of org\/name has the checksum [0-9a-f]{64}; expected [0-9a-f]{64}\. Fix: it was damaged on the way and is thrown away; run the same again\.$/,
  );
  expect(readdirSync(join(storage(), "blobs")).filter((f) => f.length === 64 || f.includes("incomplete"))).toEqual([]);
});

test("rubbish left from an earlier download is found out by the checksum and fetched anew", async () => {
  hub = await loopbackHub({ files });
  const { etag } = await (await import("./client.js")).fileFacts(
    { endpoint: hub.endpoint, cacheDir, token: undefined, offline: false, fetch, signal: undefined },
    { id: "org/name", revision: commit },
    "model.safetensors",
  );
  mkdirSync(join(storage(), "blobs"), { recursive: true });
  writeFileSync(join(storage(), "blobs", `${etag}.incomplete`), "rubbish");
  const done = await get();
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
});

test("large files come from another host, which never sees the token", async () => {
  await get({ abroad: ["model.safetensors"], token: "hf_secret" }, { token: "hf_secret" });
  const far = hub!.requests.filter((r) => r.host === "far");
  expect(far.length).toBeGreaterThan(0);
  expect(far.every((r) => r.token === undefined)).toBe(true);
  expect(hub!.requests.filter((r) => r.host === "near").every((r) => r.token === "Bearer hf_secret")).toBe(true);
});

test("a repository that has moved is followed", async () => {
  const done = await get({}, {}, "org/moved");
  expect(new Uint8Array(readFileSync(join(done.folder, "model.safetensors")))).toEqual(weights);
});

test("a closed repository says how to open it, and not the token", async () => {
  const said = await message(get({ token: "hf_right" }, { token: "hf_wrong" }));
  expect(said).toBe(
    "get: org/name is not open to everybody (HTTP 401). Fix: accept its terms on the hub and set HF_TOKEN to a token that may read it; or look at the name: the hub answers so for models that do not exist.",
  );
});

test("a name that is not there", async () => {
  expect(await message(get({}, {}, "org/nmae"))).toBe(
    'get: org/nmae is not on the hub at revision "main". Fix: look at the name: org/name, org/name@revision.',
  );
});

test("a file that is not there names those that are", async () => {
  expect(await message(get({}, { files: ["model.gguf"] }))).toBe(
    "get: model.gguf is not in org/name; expected one of config.json, README.md, tokenizer.json, 1_Pooling/config.json, model.safetensors, pytorch_model.bin.",
  );
});

test("a repository whose file names lead out of the cache is refused", async () => {
  const evil = { ...files, "../../evil/config.json": text("{}") };
  expect(await message(get({ files: evil }, { files: ["../../evil/config.json"] }))).toBe(
    'get: org/name names a file "../../evil/config.json"; expected names inside its own folder.',
  );
});

test("no network: the cache serves; without it, one line", async () => {
  await get();
  await hub!.close();
  const closed = hub!.endpoint;
  expect((await downloadModel("org/name", { endpoint: closed, cacheDir, offline: false })).commit).toBe(commit);
  expect(await message(downloadModel("org/other", { endpoint: closed, cacheDir, offline: false }))).toMatch(
    /^get: 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\. Fix: look at the network and HF_ENDPOINT, or load a folder that is on this machine\.$/,
  );
  hub = undefined;
});

test("offline: nobody is asked", async () => {
  expect(await message(get({}, { offline: true }))).toBe(
    "get: org/name@main is not in the cache CACHE, and HF_HUB_OFFLINE asks to use nothing else. Fix: fetch it once with a network: qkv get org/name.",
  );
  await get();
  const before = hub!.requests.length;
  expect((await get({}, { offline: true })).commit).toBe(commit);
  expect(hub!.requests.length).toBe(before);
});

test("many at once download a file once", async () => {
  hub = await loopbackHub({ files });
  await Promise.all(Array.from({ length: 6 }, () => get()));
  expect(gets("model.safetensors")).toHaveLength(1);
});

test("a model in parts", async () => {
  const index = text(JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } }));
  const parts = {
    "config.json": files["config.json"],
    "model.safetensors.index.json": index,
    "model-1.safetensors": weights,
    "model-2.safetensors": weights,
  };
  expect((await get({ files: parts })).files).toEqual([
    "config.json",
    "model.safetensors.index.json",
    "model-1.safetensors",
    "model-2.safetensors",
  ]);
});

test("what is neither a file nor an id", async () => {
  expect(await message(get({}, {}, "./no/such/folder"))).toBe(
    'get: "./no/such/folder" is neither a file or folder that is there nor a hub id; expected a folder, a .gguf file, "org/name", "org/name@revision" or "bundled". Fix: look at the path: it is taken from the working directory.',
  );
});
