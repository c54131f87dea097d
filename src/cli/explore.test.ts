import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { serveExplorer } from "../explorer/index.js";
import { type Loopback, loopbackHub } from "../models/load/hub/loopback.fixture.js";
import { servedModel } from "./shared/served.js";

const before = { ...process.env };
let hub: Loopback | undefined;
let folder: string | undefined;
afterEach(async () => {
  process.env = { ...before };
  await hub?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("qkv explore takes a hub id: the model is fetched once and served under its own name", async () => {
  folder = mkdtempSync(join(tmpdir(), "qkv-explore-"));
  const config = JSON.stringify({ model_type: "gpt2" });
  hub = await loopbackHub({
    files: { "config.json": Buffer.from(config), "model.safetensors": Buffer.from("weights") },
  });
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_HUB_OFFLINE: "0" });
  const model = await servedModel("org/name");
  expect(model).toMatchObject({ name: "org/name" });
  writeFileSync(join(folder, "index.html"), "<!doctype html>");
  const server = await serveExplorer({ app: folder, models: [model] });
  try {
    const at = `http://127.0.0.1:${server.port}`;
    const { models } = (await (await fetch(`${at}/api/start`)).json()) as { models: { name: string; base: string; kind: string; files: { path: string }[] }[] }; // biome-ignore format: one answer
    const own = models.find((m) => m.name === "org/name")!;
    expect(own.kind).toBe("folder");
    expect(own.files.map((f) => f.path)).toEqual(["config.json", "model.safetensors"]);
    expect(await (await fetch(new URL("config.json", new URL(own.base, at)))).text()).toBe(config);
    expect(await servedModel(folder)).toBe(folder); // a path stays one
  } finally {
    await server.close();
  }
});
