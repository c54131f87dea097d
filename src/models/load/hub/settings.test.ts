import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { hubSettings } from "./settings.js";

describe("settings, from the environment", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "qkv-hub-"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  const settings = async (env: Record<string, string>) => {
    for (const name of [
      "HF_ENDPOINT",
      "HF_HOME",
      "HF_HUB_CACHE",
      "HUGGINGFACE_HUB_CACHE",
      "HF_TOKEN",
      "HUGGING_FACE_HUB_TOKEN",
      "HF_TOKEN_PATH",
      "HF_HUB_OFFLINE",
      "XDG_CACHE_HOME",
    ])
      vi.stubEnv(name, env[name] ?? "");
    vi.stubEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN", env["HF_HUB_DISABLE_IMPLICIT_TOKEN"] ?? "");
    return hubSettings();
  };
  const refusal = (work: Promise<unknown>): Promise<string> => work.then(() => "no error", (e: Error) => e.message); // biome-ignore format: one line
  test("where the cache is", async () => {
    expect((await settings({})).cacheDir).toBe(join(homedir(), ".cache/huggingface/hub"));
    expect((await settings({ HF_HOME: "/h" })).cacheDir).toBe(join("/h", "hub"));
    expect((await settings({ HF_HOME: "/h", HF_HUB_CACHE: "~/c" })).cacheDir).toBe(`${homedir()}/c`);
    expect((await settings({ XDG_CACHE_HOME: "/x" })).cacheDir).toBe(join("/x", "huggingface/hub"));
  });
  test("who asks: variables, then the saved token; spaces and line ends around it do not count", async () => {
    const path = join(folder, "token");
    writeFileSync(path, "hf_saved\n");
    expect((await settings({ HF_TOKEN_PATH: path })).token).toBe("hf_saved");
    expect((await settings({ HF_TOKEN_PATH: path, HUGGING_FACE_HUB_TOKEN: "hf_old" })).token).toBe("hf_old");
    expect((await settings({ HF_TOKEN: " hf_new\n", HUGGING_FACE_HUB_TOKEN: "hf_old" })).token).toBe("hf_new");
    expect((await settings({ HF_TOKEN: "hf_new", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).token).toBeUndefined();
    expect((await settings({ HF_HOME: folder })).token).toBe("hf_saved");
    expect((await settings({ HF_TOKEN_PATH: join(folder, "none") })).token).toBeUndefined();
  });
  test("a token that no header takes is refused without being shown", async () => {
    expect(await refusal(settings({ HF_TOKEN: "hf_sec\nret" }))).toBe(
      "get: HF_TOKEN has characters that no token has; expected a token as the hub gives it: hf_ and letters.",
    );
  });
  test("an endpoint that is no address", async () => {
    expect((await settings({ HF_ENDPOINT: "http://mirror/hf/" })).endpoint).toBe("http://mirror/hf");
    expect(await refusal(settings({ HF_ENDPOINT: "mirror.org" }))).toBe(
      'get: HF_ENDPOINT is "mirror.org"; expected an address that begins with https:// or http://.',
    );
  });
});
