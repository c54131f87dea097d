import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const weightsIn = (folder: string): string => sha256(readFileSync(join(folder, "model.safetensors")));
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
  expect(weightsIn(done.folder)).toBe(sha256(weights));
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
  expect(weightsIn(done.folder)).toBe(sha256(weights));
});

test("a server without ranges is read from the beginning again", async () => {
  const done = await get({ cuts: { "model.safetensors": [70000] }, noRanges: true });
  expect(weightsIn(done.folder)).toBe(sha256(weights));
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
  expect(weightsIn(done.folder)).toBe(sha256(weights));
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
    { endpoint: hub.endpoint, cacheDir, token: undefined, offline: false, timeout: 10, fetch, signal: undefined },
    { id: "org/name", revision: commit },
    "model.safetensors",
  );
  mkdirSync(join(storage(), "blobs"), { recursive: true });
  writeFileSync(join(storage(), "blobs", `${etag}.incomplete`), "rubbish");
  const done = await get();
  expect(weightsIn(done.folder)).toBe(sha256(weights));
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
  expect(weightsIn(done.folder)).toBe(sha256(weights));
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

describe("faults of the hub: one line, and the way out", () => {
  const answer = (status: number, headers?: Record<string, string>) => ({ status, ...(headers && { headers }) });
  test.each([
    [403, /^get: org\/name is not open to everybody \(HTTP 403\)\. Fix: accept its terms on the hub and set HF_TOKEN/],
    [
      429,
      /^get: org\/name was answered with HTTP 429\. Fix: wait 7 s: it was asked too often; whoever sets HF_TOKEN may ask more often\.$/,
    ],
    [500, /^get: org\/name was answered with HTTP 500\. Fix: try again later: the hub has a fault\.$/],
    [418, /^get: org\/name was answered with HTTP 418; expected 200\. Fix: look at HF_ENDPOINT\.$/],
  ])("HTTP %i", async (status, said) => {
    expect(await message(get({ faults: { listing: [answer(status, { "retry-after": "7" })] } }))).toMatch(said);
  });
  test("a fault while a file is fetched is got over, or told", async () => {
    const faults = { "GET model.safetensors": [answer(503), answer(502)], "HEAD config.json": [] };
    const done = await get({ faults });
    expect(weightsIn(done.folder)).toBe(sha256(weights));
    await hub!.close();
    hub = undefined;
    rmSync(cacheDir, { recursive: true });
    const always = { "GET config.json": Array.from({ length: 9 }, () => answer(503)) };
    expect(await message(get({ faults: always }))).toBe(
      "get: config.json of org/name was answered with HTTP 503. Fix: try again later: the hub has a fault.",
    );
  });
  test("a fault, and the model is in the cache: the cache serves", async () => {
    const good = await get();
    await hub!.close();
    hub = undefined;
    expect(await get({ faults: { listing: [answer(503)] } })).toMatchObject({ folder: good.folder });
  });
  test("a server that says nothing", async () => {
    expect(await message(get({ faults: { listing: ["silence"] } }, { timeout: 0.2 }))).toMatch(
      /^get: 127\.0\.0\.1:\d+ cannot be reached \(no byte in 0\.2 s\)\. Fix: look at the network and HF_ENDPOINT/,
    );
  });
  test("a connection that falls silent is taken up where it fell silent", async () => {
    const done = await get({ stalls: { "model.safetensors": 70000 } }, { timeout: 0.3 });
    expect(gets("model.safetensors").at(-1)!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(weightsIn(done.folder)).toBe(sha256(weights));
  });
  test.each([
    "<html>log in</html>",
    "null",
    "{}",
    '{"sha":"../../x","siblings":[]}',
    `{"sha":"${commit}","siblings":[{}]}`,
  ])("a listing that is none: %s", async (listing) => {
    expect(await message(get({ listing }))).toBe(
      "get: org/name has a description from HUB that cannot be read; expected { sha, siblings }.",
    );
    expect(readdirSync(cacheDir)).toEqual([]);
  });
  test("a file that is longer than the hub says ends there", async () => {
    const endless = new Uint8Array(2 ** 22);
    expect(await message(get({ damaged: { "config.json": endless } }))).toBe(
      "get: config.json of org/name has more bytes; expected 25, as the hub says. Fix: try again later.",
    );
    expect(readdirSync(join(storage(), "blobs"))).toEqual([]);
  });
  test("a server that answers another range than was asked for", async () => {
    const etags = { "model.safetensors": "no-checksum" };
    const done = await get({ etags, wrongRanges: true, cuts: { "model.safetensors": [70000] } });
    expect(weightsIn(done.folder)).toBe(sha256(weights));
  });
  test("contents that have changed since it broke off are fetched from the beginning", async () => {
    await message(get({ cuts: { "model.safetensors": [9000, 9000, 9000, 9000, 9000] } }));
    await hub!.close();
    const other = weights.slice();
    other[other.length - 1]! ^= 1;
    hub = await loopbackHub({ files: { ...files, "model.safetensors": other } });
    const done = await get();
    expect(gets("model.safetensors")[0]!.range).toBeUndefined();
    expect(weightsIn(done.folder)).toBe(sha256(other));
  });
  test("a signal ends a download, with its reason, and what came is kept", async () => {
    const cancel = new AbortController();
    const reason = new Error("enough");
    const onProgress = (file: string, done: number): void => {
      if (file === "model.safetensors" && done > 0) cancel.abort(reason);
    };
    await expect(get({ stalls: { "model.safetensors": 70000 } }, { signal: cancel.signal, onProgress })).rejects.toBe(
      reason,
    );
    expect(readdirSync(join(storage(), "blobs")).filter((f) => /lock/.test(f))).toEqual([]);
    await get();
    expect(gets("model.safetensors").at(-1)!.range).toMatch(/^bytes=[1-9]\d*-$/);
  });
});

describe("the cache", () => {
  test("that may only be read serves a model that is there: nothing in it is touched", async () => {
    const first = await get();
    const times = (folder: string): unknown[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
        const path = join(folder, e.name);
        return [[path, lstatSync(path).mtimeMs, lstatSync(path).ino], ...(e.isDirectory() ? times(path) : [])];
      });
    const before = times(cacheDir);
    expect(await get()).toEqual(first);
    expect(times(cacheDir)).toEqual(before);
    expect(hub!.requests.filter((r) => r.line.startsWith("HEAD"))).toHaveLength(4); // of the first time
  });
  test("that cannot be written is named", async () => {
    const file = join(cacheDir, "file");
    writeFileSync(file, "");
    expect(await message(get({}, { cacheDir: join(file, "hub") }))).toBe(
      "get: the cache CACHE/file/hub cannot be written (ENOTDIR). Fix: set HF_HUB_CACHE, or --cache-dir, to a folder that can.",
    );
  });
  test("with a config and no weights is not a model", async () => {
    await get({}, { files: ["config.json"] });
    expect(await message(get({}, { offline: true }))).toMatch(
      /^get: org\/name@main is not in the cache CACHE, and HF_HUB_OFFLINE/,
    );
  });
  test("with a link to contents that are gone fetches them again", async () => {
    const { folder } = await get();
    rmSync(join(storage(), "blobs"), { recursive: true });
    expect(await message(get({}, { offline: true }))).toMatch(/is not in the cache/);
    await get();
    expect(weightsIn(folder)).toBe(sha256(weights));
  });
  test("a lock of a process that is gone holds nobody up; one of a living process is waited for", async () => {
    const etag = createHash("sha1")
      .update(`blob ${files["config.json"].length}\0`)
      .update(files["config.json"])
      .digest("hex");
    const lock = join(storage(), "blobs", `${etag}.lock`);
    mkdirSync(lock, { recursive: true });
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(lock, "owner"), `${gone} ${hostname()}`);
    await get({}, { files: ["config.json"] });
    expect(readdirSync(join(storage(), "blobs"))).toEqual([etag]);
    rmSync(storage(), { recursive: true });
    mkdirSync(lock, { recursive: true });
    writeFileSync(join(lock, "owner"), `${process.pid} ${hostname()}`);
    const signal = AbortSignal.timeout(400);
    await expect(get({}, { files: ["config.json"], signal })).rejects.toThrow("timeout");
    expect(gets("config.json")).toHaveLength(1); // of the first time
    const waiting = get({}, { files: ["config.json"] });
    rmSync(lock, { recursive: true });
    expect((await waiting).files).toEqual(["config.json"]);
  });
  test("several processes fetch a file once", async () => {
    const slow = { stalls: { "model.safetensors": 70000 } };
    hub = await loopbackHub({ files, ...slow });
    const script = `import { downloadModel } from ${JSON.stringify(fileURLToPath(new URL("../../../../dist/models/index.js", import.meta.url)))};
      console.log((await downloadModel("org/name", { endpoint: "${hub.endpoint}", cacheDir: ${JSON.stringify(cacheDir)}, timeout: 1 })).commit)`;
    const runs = Array.from({ length: 3 }, () =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]),
    );
    for (const { stdout } of await Promise.all(runs)) expect(stdout.trim()).toBe(commit);
    expect(gets("config.json")).toHaveLength(1);
    expect(gets("model.safetensors")).toHaveLength(2); // one that falls silent, and the rest
  });
  test("a revision that would leave the cache", async () => {
    for (const revision of ["../../x", "a/../b", "/x", "a//b", ""]) {
      expect(await message(get({}, { revision }))).toBe(
        `get: revision is ${JSON.stringify(revision)}; expected a branch, tag or commit: "main", "v1.0", "refs/pr/1".`,
      );
    }
    expect(await message(get({}, {}, "org/name@../x"))).toMatch(/^get: revision is "\.\.\/x"/);
  });
});
