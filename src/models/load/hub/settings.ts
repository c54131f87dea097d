/**
 * @file Where the hub is, where its cache lies and who asks: the environment variables of Python's huggingface_hub, so
 * that both share one cache and one login.
 *
 *     HF_ENDPOINT   HF_HOME   HF_HUB_CACHE   HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH   HF_HUB_OFFLINE
 *     HF_HUB_DISABLE_IMPLICIT_TOKEN   HF_HUB_DOWNLOAD_TIMEOUT
 *
 * An empty one counts as not set; ~ is the home folder.
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
  /** Seconds without a byte after which a connection counts as broken. Default HF_HUB_DOWNLOAD_TIMEOUT, else 10. */
  timeout?: number | undefined;
  /** Instead of the global one. */
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
}

export interface Hub {
  endpoint: string;
  cacheDir: string;
  token: string | undefined;
  offline: boolean;
  /** In seconds. */
  timeout: number;
  fetch: typeof fetch;
  signal: AbortSignal | undefined;
}

/** Options, filled up from the environment. @throws {OptionError} for what can be no address or no token */
export async function hubSettings(options: HubOptions = {}): Promise<Hub> {
  const { homedir } = await import("node:os");
  const { join } = await import("node:path");
  const variable = (name: string): string | undefined => process.env[name]?.trim() || undefined;
  const folder = (name: string): string | undefined => variable(name)?.replace(/^~(?=$|[\\/])/, homedir());
  const on = (name: string): boolean => /^(1|on|yes|true)$/i.test(variable(name) ?? "");
  const home = folder("HF_HOME") ?? join(folder("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const token = async (): Promise<string | undefined> => {
    if (on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return undefined;
    const saved = (): Promise<string | undefined> => savedToken(folder("HF_TOKEN_PATH") ?? join(home, "token"));
    return variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN") ?? (await saved());
  };
  return {
    endpoint: addressOf(options.endpoint ?? variable("HF_ENDPOINT") ?? "https://huggingface.co"),
    cacheDir: options.cacheDir ?? folder("HF_HUB_CACHE") ?? folder("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
    token: sendable(options.token ?? (await token())),
    offline: options.offline ?? (on("HF_HUB_OFFLINE") || on("TRANSFORMERS_OFFLINE")),
    timeout: options.timeout ?? (Number(variable("HF_HUB_DOWNLOAD_TIMEOUT")) || 10),
    fetch: options.fetch ?? globalThis.fetch,
    signal: options.signal,
  };
}

async function savedToken(path: string): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() || undefined;
}

function addressOf(endpoint: string): string {
  if (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)) return endpoint.replace(/\/+$/, "");
  throw new OptionError({
    where: "get",
    argument: "HF_ENDPOINT",
    got: `is ${JSON.stringify(endpoint)}`,
    expected: "an address that begins with https:// or http://",
  });
}

/** What cannot stand in a header would be named, whole, in the error of whoever tries. */
function sendable(token: string | undefined): string | undefined {
  const text = token?.trim();
  if (!text || /^[\x21-\x7e]+$/.test(text)) return text || undefined;
  throw new OptionError({
    where: "get",
    argument: "HF_TOKEN",
    got: "has characters that no token has",
    expected: "a token as the hub gives it: hf_ and letters",
  });
}

export interface HubId {
  id: string;
  revision: string;
}

/** "org/name" or "org/name@revision". @throws {OptionError} for what can be neither an id nor a file that is there */
export function parseHubId(text: string, where = "loadModel"): HubId {
  const match = /^([\w][\w.-]*(?:\/[\w][\w.-]*)?)(?:@(.*))?$/.exec(text);
  if (match && !match[1]!.includes("..")) {
    return { id: match[1]!, revision: match[2] === undefined ? "main" : revisionOf(match[2], where) };
  }
  throw new OptionError({
    where,
    argument: JSON.stringify(text),
    got: "is neither a file or folder that is there nor a hub id",
    expected: 'a folder, a .gguf file, "org/name", "org/name@revision" or "bundled"',
    fix: "look at the path: it is taken from the working directory",
  });
}

/** A branch, tag or commit: what may also be the name of a file in the cache. @throws {OptionError} */
export function revisionOf(text: string, where = "get"): string {
  if (/^\w[\w./-]*$/.test(text) && !/\.\.|\/\/|\/\.|\/$/.test(text)) return text;
  throw new OptionError({
    where,
    argument: "revision",
    got: `is ${JSON.stringify(text)}`,
    expected: 'a branch, tag or commit: "main", "v1.0", "refs/pr/1"',
  });
}
