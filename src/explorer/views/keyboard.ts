/** @file The page by keyboard. Keys typed into a field or a list stay there. */
import { moveCell, stepHead } from "../state/actions.js";
import type { Store } from "../state/store.js";
import { findToken } from "./find-token.js";
import { viewList } from "./view-list.js";

const fields = "textarea, input, select, dialog, [contenteditable], [role=slider]";

export function listenToKeys(store: Store): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target as Element;
    if (event.key === "?" && !at.closest("textarea, input"))
      return done(event, () => document.dispatchEvent(new CustomEvent("qkv-help")));
    if (at.closest(fields)) {
      if (event.key === "Escape") (at as HTMLElement).blur();
      return;
    }
    if (store.choice.peek().page !== "explore") return;
    const action = keyAction(store, event.key, at);
    if (action) done(event, action);
  });
}

function done(event: Event, action: () => void): void {
  event.preventDefault();
  action();
}

function keyAction(store: Store, key: string, at: Element): (() => void) | undefined {
  const inMenu = at.closest("details.menu, [role=tab], summary");
  switch (key) {
    case "ArrowDown": return inMenu ? undefined : () => moveCell(store, 1, 0);
    case "ArrowUp": return inMenu ? undefined : () => moveCell(store, -1, 0);
    case "ArrowRight": return inMenu ? undefined : () => moveCell(store, 0, 1);
    case "ArrowLeft": return inMenu ? undefined : () => moveCell(store, 0, -1);
    case "[": return () => stepHead(store, -1, 0);
    case "]": return () => stepHead(store, 1, 0);
    case ",": return () => stepHead(store, 0, -1);
    case ".": return () => stepHead(store, 0, 1);
    case "/": return () => findToken(store);
    case "t": return () => document.getElementById("text")?.focus();
    case "u": return () => store.choice.peek().edits.length > 0 && store.change({ edits: store.choice.peek().edits.slice(0, -1) }, "push");
    case "Escape": return () => store.change({ query: -1, key: -1 });
    default: {
      const view = /^[1-9]$/.test(key) ? viewList[Number(key) - 1] : undefined;
      return view && (() => store.change({ view: view.id }, "push"));
    }
  } // biome-ignore format: a table
}
