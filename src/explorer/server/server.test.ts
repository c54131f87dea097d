import { request } from "node:http";
import { mkdtempSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ExplorerServer, serveExplorer } from "./server.js";

const home = mkdtempSync(join(tmpdir(), "qkv-server-"));
const app = join(home, "app");
const model = join(home, "model");
let server: ExplorerServer;

/** A request as it is written, without a client that tidies the path. */
function ask(
  path: string,
  options: { headers?: Record<string, string>; method?: string } = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port: server.port, path, method: options.method ?? "GET", headers: options.headers ?? {} },
      (answer) => {
        let body = "";
        answer.on("data", (d) => (body += d));
        answer.on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, body }));
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

beforeAll(async () => {
  for (const folder of [app, join(app, "assets"), model]) mkdirSync(folder);
  writeFileSync(join(app, "index.html"), "<!doctype html><title>x</title>");
  writeFileSync(join(app, "assets/page-AbCdEf12.js"), "1");
  writeFileSync(join(home, "secret.txt"), "secret");
  symlinkSync(join(home, "secret.txt"), join(app, "link.txt"));
  writeFileSync(join(model, "config.json"), "{}");
  writeFileSync(join(model, "notes.md"), "private");
  writeFileSync(join(model, "model.safetensors"), "0123456789");
  server = await serveExplorer({ app, models: [model], bundled: join(home, "nothing"), text: "a b" });
});
afterAll(() => server.close());

describe("the explorer's server", () => {
  test("gives the page with a policy that lets nothing in from elsewhere, and isolates it", async () => {
    const { status, headers, body } = await ask("/");
    expect([status, body]).toEqual([200, "<!doctype html><title>x</title>"]);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["content-security-policy"]).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
    expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
    expect(headers["cross-origin-embedder-policy"]).toBe("require-corp");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });

  test("the address carries the model and the text asked for", () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/#v=1&text=a+b&model=model-1`);
  });

  test("leads nowhere outside its folders: dots, encoded dots, links, null bytes, unlisted files", async () => {
    const paths = [
      "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt", "/link.txt", "/%00", "/%", "/assets",
      "/models/model-1/../secret.txt", "/models/model-1/..%2fsecret.txt", "/models/model-1/notes.md", "/models/model-2/config.json", "//etc/passwd",
    ]; // biome-ignore format: a list
    for (const path of paths) {
      const { status, body } = await ask(path);
      expect([status, body], path).toEqual([404, "404\n"]);
    }
  });

  test("a name from outside pointed at this machine is refused, and so is writing", async () => {
    expect((await ask("/", { headers: { Host: "evil.example" } })).status).toBe(403);
    expect((await ask("/", { headers: { Host: "localhost:1" } })).status).toBe(200);
    expect((await ask("/", { method: "POST" })).status).toBe(405);
  });

  test("says what models there are and hands over their files, whole or in part", async () => {
    const { body } = await ask("/api/start");
    expect(JSON.parse(body)).toEqual({
      models: [{ id: "model-1", name: `${basename(home)}/model`, base: "/models/model-1/", kind: "folder", files: [{ path: "config.json", size: 2 }, { path: "model.safetensors", size: 10 }] }],
    }); // biome-ignore format: one answer
    const part = await ask("/models/model-1/model.safetensors", { headers: { Range: "bytes=2-4" } });
    expect([part.status, part.body, part.headers["content-range"]]).toEqual([206, "234", "bytes 2-4/10"]);
    expect((await ask("/models/model-1/model.safetensors", { headers: { Range: "bytes=20-" } })).status).toBe(416);
  });

  test("files whose name holds their hash are kept for good, the page is asked for each time", async () => {
    expect((await ask("/assets/page-AbCdEf12.js")).headers["cache-control"]).toContain("immutable");
    expect((await ask("/")).headers["cache-control"]).toBe("no-cache");
  });

  test("a host that others could reach, a taken port, a missing model and a page not built are refused with a way out", async () => {
    await expect(serveExplorer({ app, host: "0.0.0.0" })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[OptionError: explore: --host is 0.0.0.0, which other machines could reach; expected a loopback address: 127.0.0.1, localhost or ::1. Fix: leave --host out, and reach this machine through a tunnel: ssh -L 8080:127.0.0.1:8080 HOST.]`,
    );
    await expect(serveExplorer({ app, port: server.port })).rejects.toThrow(
      `explore: --port ${server.port} is in use; expected a free port. Fix: leave --port out: a free one is taken.`,
    );
    await expect(serveExplorer({ app, models: ["nowhere"] })).rejects.toThrow(
      'explore: MODEL "nowhere" is not there; expected a model folder, a .gguf or .onnx file or a trace file. Fix: check the path; qkv get MODEL fetches one from the hub.',
    );
    await expect(serveExplorer({ app: home })).rejects.toThrow("explore: the page is not built. Fix: npm run build.");
  });
});
