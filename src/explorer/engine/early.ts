/**
 * @file What the engine will want first, asked of the server while the engine's own code is on its way: what models are here,
 * and the files of the one that the page opens.
 */

/** What the explorer's own server says is here. */
export interface Served {
  models: {
    id: string;
    name: string;
    base: string;
    kind: "bundled" | "folder" | "trace" | "onnx";
    files: { path: string; size: number }[];
  }[];
}

export interface Early {
  /** Nothing where there is no server: a page opened from disk has only what is dropped on it. */
  start: Promise<Served | undefined>;
  /** A file of a model; one that was asked for early is handed over. */
  file(base: URL, path: string, signal?: AbortSignal): Promise<Response>;
}

const first = /^((generation_|tokenizer_)?config|tokenizer)\.json$|^[^/]*\.safetensors$/;
/** Bytes of a model above which its download begins with its progress bar. */
const most = 2 ** 26;

/** @param asked the model the page opens, when it has said so; "" is the first */
export function askEarly(base: string, asked: Promise<string>): Early {
  const begun = new Map<string, Promise<Response>>();
  const start = fetch(new URL("/api/start", base)).then(
    (answer): Promise<Served> | undefined => (answer.ok ? answer.json() : undefined),
    () => undefined,
  );
  void Promise.all([start, asked]).then(
    ([served, id]) => {
      const model = served?.models.find((m) => m.id === id || id === "");
      if (!model || model.files.reduce((n, f) => n + f.size, 0) > most) return;
      for (const { path } of model.files) {
        if (!first.test(path)) continue;
        const at = fileAt(new URL(model.base, base), path);
        const file = fetch(at);
        file.catch(() => {}); // asked again, and said, by who wants it
        begun.set(at.href, file);
      }
    },
    () => {},
  );
  return {
    start,
    async file(folder, path, signal) {
      const at = fileAt(folder, path);
      const had = await begun.get(at.href)?.catch(() => undefined);
      if (had && path.endsWith(".json")) return had.clone(); // small, and read by more than one
      begun.delete(at.href);
      return had ?? fetch(at, signal ? { signal } : {});
    },
  };
}

const fileAt = (base: URL, path: string): URL => new URL(path.split("/").map(encodeURIComponent).join("/"), base);
