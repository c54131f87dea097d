/** @file Traces and model folders from the reader's own disk: dropped on the page or picked. Nothing leaves the machine. */
import type { DroppedFile } from "../engine/protocol.js";
import { type Store, words } from "../state/store.js";

/** What of a model folder is read. */
const wanted =
  /(^|\/)([\w.-]*config\.json|tokenizer[\w.-]*|vocab\.(txt|json)|merges\.txt|special_tokens_map\.json|added_tokens\.json|[^/]*\.(safetensors|safetensors\.index\.json|gguf|onnx|onnx_data|onnx\.data|npy|npz|json))$/;

/** Folders and files as they were dropped; a browser without entries gives the files alone. */
export async function openDropped(store: Store, entries: FileSystemEntry[], loose: File[]): Promise<void> {
  const files: File[] = [];
  const paths: string[] = [];
  const walk = async (entry: FileSystemEntry, depth: number): Promise<void> => {
    if (entry.isFile) {
      const file = await new Promise<File>((ok, no) => (entry as FileSystemFileEntry).file(ok, no));
      files.push(file);
      paths.push(entry.fullPath.replace(/^\//, ""));
    } else if (entry.isDirectory && depth < 2) {
      const reader = (entry as FileSystemDirectoryEntry).createReader();
      for (;;) {
        const some = await new Promise<FileSystemEntry[]>((ok, no) => reader.readEntries(ok, no));
        if (some.length === 0) break;
        for (const e of some) await walk(e, depth + 1);
      }
    }
  };
  try {
    for (const e of entries) await walk(e, 0);
  } catch (error) {
    store.notice.value = { tone: "error", text: `explore: what was dropped cannot be read: ${words(error)}` };
    return;
  }
  if (entries.length === 0)
    for (const file of loose) {
      files.push(file);
      paths.push(file.name);
    }
  await openFiles(store, files, paths);
}

export async function pickFiles(store: Store): Promise<void> {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  await new Promise<void>((resolve) => {
    input.onchange = () => resolve();
    input.oncancel = () => resolve();
    input.click();
  });
  const files = [...(input.files ?? [])];
  if (files.length > 0) await openFiles(store, files, files.map((f) => f.webkitRelativePath || f.name)); // biome-ignore format: one call
}

export async function openFiles(store: Store, files: File[], paths: string[]): Promise<void> {
  const kept = files.map((file, n) => ({ file, path: paths[n]! })).filter(({ path }) => wanted.test(path));
  const bytes = kept.reduce((n, { file }) => n + file.size, 0);
  if (kept.length === 0) {
    store.notice.value = {
      tone: "error",
      text: `explore: ${paths.slice(0, 3).join(", ") || "the drop"} holds no trace and no model; expected a trace file (.safetensors) or a folder with config.json. Fix: record a trace with qkv trace, or drop the whole model folder.`,
    };
    return;
  }
  const limit = memoryLimit();
  if (bytes > limit) {
    store.notice.value = {
      tone: "error",
      text: `explore: this model needs about ${gigabytes(bytes * 2)} of memory, more than a browser tab can hold (${gigabytes(limit * 2)}). Fix: serve it from the command line: qkv explore FOLDER, or record a trace there: qkv trace FOLDER "text" -o trace.safetensors.`,
    };
    return;
  }
  try {
    store.notice.value = {
      tone: "info",
      text: `Reading ${kept.length === 1 ? kept[0]!.path : `${kept.length} files`} …`,
    };
    const handed: DroppedFile[] = [];
    for (const { file, path } of kept) handed.push({ path, bytes: await file.arrayBuffer() });
    const card = await store.engine.openFiles(handed);
    if (store.choice.peek().model === card.id) store.again(); // the same name, perhaps other contents: read anew
    store.catalog.value = { state: "ready", value: await store.engine.catalog() };
    store.change(
      {
        model: card.id,
        page: "explore",
        layer: 0,
        head: 0,
        kind: "",
        query: -1,
        key: -1,
        edits: [],
        camera: null,
        heads: [],
      },
      "push",
    );
    store.notice.value = null;
  } catch (error) {
    store.notice.value = { tone: "error", text: words(error) };
  }
}

/** What a tab may be given: weights are held once as they come and once laid out for the kernel, under wasm's 4 GB. */
const memoryLimit = (): number => 1.8e9;
const gigabytes = (n: number): string => `${(n / 1e9).toFixed(1)} GB`;
