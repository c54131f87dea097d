/** @file The page itself: a store over the engine, then the elements. */
import { effect } from "@preact/signals-core";
import type { EngineClient } from "../engine/client.js";
import { createStore, startStore } from "../state/store.js";
import "../views/app.js";
import { useStore } from "../views/base.js";
import "../views/filters.js";
import "../views/help.js";
import { listenToKeys } from "../views/keyboard.js";
import "../views/share.js";
import { followTheme } from "./theme.js";

export function startPage(engine: EngineClient): void {
  const store = createStore(engine);
  useStore(store);
  followTheme(store);
  engine.onDeath = (message) => {
    store.notice.value = {
      tone: "error",
      text: `The engine stopped (${message}). Your text and choices are kept; it starts again by itself.`,
    };
    store.again();
  };
  void startStore(store);
  document.querySelector("#app")!.replaceWith(document.createElement("qkv-app"));
  listenToKeys(store);

  effect(() => {
    const maps = store.maps();
    if (store.run.value.state === "loading" || maps?.state === "loading") return;
    const stood = (): void => {
      if (maps?.state === "ready" && performance.getEntriesByName("qkv-first-picture").length === 0)
        performance.mark("qkv-first-picture");
      store.stands();
    };
    if (document.hidden)
      stood(); // no frames come there
    else requestAnimationFrame(() => requestAnimationFrame(stood));
  });
  effect(() => {
    const { view, page } = store.choice.value;
    document.title = `qkv · ${page === "explore" ? view : page}`;
  });
  Object.assign(globalThis, { qkv: { store } }); // for the console: the state is one object, and so are the numbers
}
