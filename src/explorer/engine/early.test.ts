import { afterEach, expect, test, vi } from "vitest";
import { askEarly, type Served } from "./early.js";

const base = "http://127.0.0.1:1/assets/worker.js";
const folder = new URL("http://127.0.0.1:1/models/bundled/");
const models = (size: number): Served["models"] => [
  { id: "bundled", name: "Bundled", kind: "bundled", base: "/models/bundled/", files: ["BIRTH.json", "config.json", "model.safetensors", "tokenizer.json"].map((path) => ({ path, size })) }, // biome-ignore format: one model
  { id: "model-1", name: "other", kind: "folder", base: "/models/model-1/", files: [{ path: "config.json", size }] },
];

/** A server whose answers are counted by address; what `refuses` says fails the first time. */
function serve(list: Served["models"], refuses = ""): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (at: URL) => {
    asked.push(at.pathname);
    if (at.pathname === refuses && asked.filter((p) => p === refuses).length === 1) throw new TypeError("gone");
    return Response.json(at.pathname === "/api/start" ? { models: list } : { path: at.pathname });
  });
  return asked;
}
afterEach(() => vi.unstubAllGlobals());

test("files of the model that the page opens are asked for with the list, and handed over once they are wanted", async () => {
  const asked = serve(models(10));
  const server = askEarly(base, Promise.resolve(""));
  expect((await server.start)?.models).toHaveLength(2);
  await new Promise((soon) => setTimeout(soon, 0));
  const all = ["/api/start", "config.json", "model.safetensors", "tokenizer.json"].map((p, n) =>
    n ? `/models/bundled/${p}` : p,
  );
  expect(asked).toEqual(all);
  for (const path of ["config.json", "config.json", "model.safetensors"])
    expect(await (await server.file(folder, path)).json()).toEqual({ path: `/models/bundled/${path}` });
  expect(asked).toEqual(all); // a small file is read twice without a second question
  await server.file(folder, "model.safetensors");
  expect(asked).toHaveLength(all.length + 1); // a large one is not kept
});

test("another model's files, a large model's and those of a model that is not here are not asked for", async () => {
  for (const [size, id, more] of [
    [10, "model-1", ["/models/model-1/config.json"]],
    [2 ** 26, "", []],
    [10, "nobody", []],
    [10, undefined, []],
  ] as const) {
    const asked = serve(models(size));
    await askEarly(base, id === undefined ? new Promise<string>(() => {}) : Promise.resolve(id)).start;
    await new Promise((soon) => setTimeout(soon, 0));
    expect(asked, `${id}`).toEqual(["/api/start", ...more]);
  }
});

test("a file that did not come is asked for again, and no server is no list", async () => {
  const asked = serve(models(10), "/models/bundled/config.json");
  const server = askEarly(base, Promise.resolve("bundled"));
  await server.start;
  await new Promise((soon) => setTimeout(soon, 0));
  expect((await server.file(folder, "config.json")).ok).toBe(true);
  expect(asked.filter((p) => p.endsWith("config.json"))).toHaveLength(2);
  serve([], "/api/start");
  expect(await askEarly(base, Promise.resolve("")).start).toBeUndefined();
});
