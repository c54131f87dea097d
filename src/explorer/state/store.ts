/**
 * @file The state of the page, split by how long it lives: the choice (in the URL), the focus (where the pointer is),
 * answers of the engine (kept while they hold). Views read signals and are drawn again when one changes.
 */
import { computed, effect, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals-core";
import type { EngineClient } from "../engine/client.js";
import type { HeadTypesView, Kind, KindView, LayerMaps, ModelCard, RunView } from "../engine/protocol.js";
import { type Choice, firstLook, startChoice } from "./choice.js";
import { copyOf, linkVersion, readLink, writeLink } from "./hash.js";

export type Loaded<T> =
  | { state: "loading"; progress?: { done: number; total: number; says: string } }
  | { state: "ready"; value: T }
  | { state: "failed"; message: string };

/** Where the pointer is, while it is there. */
export interface Focus {
  query?: number;
  key?: number;
  head?: number;
  layer?: number;
}

export interface Store {
  choice: Signal<Choice>;
  focus: Signal<Focus>;
  catalog: Signal<Loaded<ModelCard[]>>;
  run: Signal<Loaded<RunView>>;
  /** The last run that came through: shown while the next one is on its way. */
  shown: ReadonlySignal<RunView | undefined>;
  kind: ReadonlySignal<KindView | undefined>;
  /** What is said aloud to a screen reader. */
  spoken: Signal<string>;
  /** One line at the foot of the page: an error, "copied". */
  notice: Signal<{ tone: "info" | "error"; text: string } | null>;
  mode: Signal<"light" | "dark" | "contrast">;
  engine: EngineClient;
  change(part: Partial<Choice>, step?: "push" | "replace"): void;
  /** An answer of the engine, asked once per name. */
  ask<T>(
    name: string,
    load: (progress: (done: number, total: number, says: string) => void) => Promise<T>,
  ): Signal<Loaded<T>>;
  /** As `ask`, for what stands beside the picture: the engine is asked when the first picture stands. */
  askBeside: Store["ask"];
  /** The first picture stands, or none will. */
  stands(): void;
  /** Forgets answers under a name that failed, so that they are asked again. */
  retry(): void;
  /** Forgets every answer and reads the text anew: after the engine died. Choices stay. */
  again(): void;
  maps(): Loaded<LayerMaps> | undefined;
  types(): Loaded<HeadTypesView> | undefined;
}

/** Answers kept; the oldest go first. */
const keptAnswers = 160;

export const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function createStore(engine: EngineClient): Store {
  const choice = signal<Choice>(copyOf(startChoice));
  const focus = signal<Focus>({});
  const catalog = signal<Loaded<ModelCard[]>>({ state: "loading" });
  const run = signal<Loaded<RunView>>({ state: "loading" });
  const last = signal<RunView | undefined>(undefined);
  const spoken = signal("");
  const notice = signal<Store["notice"]["value"]>(null);
  const mode = signal<"light" | "dark" | "contrast">("light");
  const answers = new Map<string, Signal<Loaded<unknown>>>();
  const shown = computed(() => last.value);
  const kind = computed(() => {
    const view = last.value;
    return view?.kinds.find((k) => k.kind === choice.value.kind) ?? view?.kinds[0];
  });
  let nextStep: "push" | "replace" = "replace";
  let stands = (): void => {};
  const standing = new Promise<void>((resolve) => { stands = resolve; }); // biome-ignore format: one line

  const store: Store = {
    choice, focus, catalog, run, shown, kind, spoken, notice, mode, engine,
    change(part, step = "replace") {
      if (step === "push") {
        nextStep = "push";
        notice.value = null; // the reader has gone on
      }
      choice.value = { ...choice.peek(), ...part };
    },
    ask<T>(name: string, load: (progress: (done: number, total: number, says: string) => void) => Promise<T>) {
      let answer = answers.get(name) as Signal<Loaded<T>> | undefined;
      if (answer) return answer;
      const fresh = signal<Loaded<T>>({ state: "loading" });
      answer = fresh;
      answers.set(name, fresh as Signal<Loaded<unknown>>);
      for (const old of [...answers.keys()].slice(0, -keptAnswers)) answers.delete(old);
      queueMicrotask(() => {
        load((done, total, says) => {
          if (fresh.peek().state === "loading") fresh.value = { state: "loading", progress: { done, total, says } };
        }).then(
          (value) => { fresh.value = { state: "ready", value }; },
          (error) => {
            fresh.value = { state: "failed", message: words(error) };
            if (error?.constructor?.name === "WorkerDied") answers.delete(name);
          },
        );
      });
      return answer;
    },
    askBeside(name, load) {
      return this.ask(name, async (progress) => {
        await standing;
        return load(progress);
      });
    },
    stands,
    retry() {
      for (const [name, answer] of answers) if (answer.peek().state === "failed") answers.delete(name);
      choice.value = { ...choice.peek() };
    },
    again() {
      answers.clear();
      run.value = { state: "failed", message: "the engine starts again" };
      choice.value = { ...choice.peek() };
    },
    maps() {
      const view = last.value;
      const k = kind.value;
      const c = choice.value;
      if (!view || !k || tooLarge(k)) return undefined;
      const layer = k.layers.includes(c.layer) ? c.layer : k.layers[0]!;
      const asked = { run: view.id, kind: k.kind, layer, filter: c.filter };
      const name = `maps ${JSON.stringify(asked)} ${c.weighted}`;
      return this.ask(name, () => (c.weighted ? engine.valueWeighted(asked) : engine.layerMaps(asked))).value;
    },
    types() {
      const view = last.value;
      const k = kind.value;
      if (!view || !k) return undefined;
      return this.askBeside(`types ${view.id} ${k.kind}`, (onProgress) => engine.headTypes({ run: view.id, kind: k.kind }, { onProgress })).value;
    },
  }; // biome-ignore format: one object

  effect(() => {
    const now = run.value;
    if (now.state === "ready") last.value = now.value;
  });
  followChoice(store, () => {
    const step = nextStep;
    nextStep = "replace";
    return step;
  });
  return store;
}

/** Above this many numbers a layer is looked at by tiles. */
export const tooLarge = (k: KindView): boolean => k.heads * k.queries * k.keys > 2 ** 22;

/** Keeps the URL and the run in step with the choice. */
function followChoice(store: Store, step: () => "push" | "replace"): void {
  const { choice, run, engine } = store;
  let written = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = async (how: "push" | "replace"): Promise<void> => {
    const link = `#${await writeLink(choice.peek())}`;
    if (link === written) return;
    written = link;
    try {
      if (how === "push") history.pushState(null, "", link);
      else history.replaceState(null, "", link);
    } catch {
      // A page without a history (an embedded one) does without.
    }
  };
  effect(() => {
    void choice.value;
    const how = step();
    clearTimeout(timer);
    if (how === "push") void write("push");
    else timer = setTimeout(() => void write("replace"), 160);
  });
  addEventListener("popstate", async () => {
    store.notice.value = null;
    written = location.hash;
    choice.value = await readLink(location.hash);
    sayVersion(store, location.hash);
  });

  let control: AbortController | undefined;
  let asked = "";
  effect(() => {
    const { text, model, edits } = choice.value;
    const list = store.catalog.value;
    if (list.state !== "ready") return;
    const chosen = list.value.some((m) => m.id === model) ? model : (list.value[0]?.id ?? "");
    const name = JSON.stringify([text, chosen, edits]);
    if (name === asked && untracked(() => run.peek().state !== "failed")) return;
    asked = name;
    control?.abort(new DOMException("replaced", "AbortError"));
    const mine = new AbortController();
    control = mine;
    queueMicrotask(() => {
      run.value = { state: "loading" };
      const onProgress = (done: number, total: number, says: string): void => {
        if (!mine.signal.aborted) run.value = { state: "loading", progress: { done, total, says } };
      };
      engine.run({ model: chosen, text, edits }, { onProgress, signal: mine.signal }).then(
        (value) => { if (!mine.signal.aborted) run.value = { state: "ready", value }; },
        (error) => { if (!mine.signal.aborted) run.value = { state: "failed", message: words(error) }; },
      ); // biome-ignore format: two answers
    });
  });
}

/** A link of another version is read as far as it goes, and said to be one. */
function sayVersion(store: Store, link: string): void {
  const v = new URLSearchParams(link.slice(1)).get("v");
  if (v && v !== linkVersion)
    store.notice.value = { tone: "info", text: `This link is of version ${v.slice(0, 12)}; this page knows version ${linkVersion} and left out what it does not know.` }; // biome-ignore format: one line
}

export async function startStore(store: Store): Promise<void> {
  const link = location.hash;
  store.choice.value = await readLink(link);
  sayVersion(store, link);
  try {
    const catalog = await store.engine.catalog();
    if (link === "" && catalog[0]?.id === "bundled") store.choice.value = { ...store.choice.value, ...firstLook };
    store.catalog.value = { state: "ready", value: catalog };
  } catch (error) {
    store.catalog.value = { state: "failed", message: words(error) };
    store.run.value = { state: "failed", message: words(error) };
  }
}

export type { Kind };
