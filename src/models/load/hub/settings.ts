/**
 * @file Where the hub is, where its cache lies and who asks: the environment variables of Python's huggingface_hub, so
 * that both share one cache and one login.
 *
 *     HF_ENDPOINT   HF_HOME   HF_HUB_CACHE   HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH   HF_HUB_OFFLINE
 */
import { OptionError } from "../../../tensor/index.js";

export interface HubOptions {
  /** Default HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string | undefined;
  /** Default HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub. */
  cacheDir?: string | undefined;
  /** Default HF_TOKEN, else the token that `hf auth login` saved. Sent to the endpoint only, never shown. */
  token?: string | undefined;
  /** Use what is in the cache and ask nobody. Default HF_HUB_OFFLINE. */
  offline?: boolean | undefined;
  /** Instead of the global one. */
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
}

export interface Hub {
  endpoint: string;
  cacheDir: string;
  token: string | undefined;
  offline: boolean;
  fetch: typeof fetch;
  signal: AbortSignal | undefined;
}

/** Options, filled up from the environment. */
export async function hubSettings(options: HubOptions = {}): Promise<Hub> {
  const { homedir } = await import("node:os");
  const { join } = await import("node:path");
  const env = process.env;
  const home = env["HF_HOME"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "huggingface");
  const on = (name: string): boolean => /^(1|on|yes|true)$/i.test(env[name] ?? "");
  return {
    endpoint: (options.endpoint ?? env["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/, ""),
    cacheDir: options.cacheDir ?? env["HF_HUB_CACHE"] ?? env["HUGGINGFACE_HUB_CACHE"] ?? join(home, "hub"),
    token: options.token ?? env["HF_TOKEN"] ?? env["HUGGING_FACE_HUB_TOKEN"] ?? (await savedToken(home)),
    offline: options.offline ?? (on("HF_HUB_OFFLINE") || on("TRANSFORMERS_OFFLINE")),
    fetch: options.fetch ?? globalThis.fetch,
    signal: options.signal,
  };
}

async function savedToken(home: string): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const text = await readFile(process.env["HF_TOKEN_PATH"] ?? join(home, "token"), "utf8").catch(() => "");
  return text.trim() || undefined;
}

export interface HubId {
  id: string;
  revision: string;
}

/** "org/name" or "org/name@revision". @throws {OptionError} for what can be neither an id nor a file that is there */
export function parseHubId(text: string, where = "loadModel"): HubId {
  const match = /^([\w][\w.-]*(?:\/[\w][\w.-]*)?)(?:@([\w][\w./-]*))?$/.exec(text);
  if (match && !match[1]!.includes("..") && !match[2]?.includes("..")) {
    return { id: match[1]!, revision: match[2] ?? "main" };
  }
  throw new OptionError({
    where,
    argument: JSON.stringify(text),
    got: "is neither a file or folder that is there nor a hub id",
    expected: 'a folder, a .gguf file, "org/name", "org/name@revision" or "bundled"',
    fix: "look at the path: it is taken from the working directory",
  });
}
