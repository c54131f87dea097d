/** @file The page by keyboard. Keys typed into a field or a list stay there. */
import { tokenLabel } from "../scene/tokens.js";
import { chooseCell, moveCell, stepHead } from "../state/actions.js";
import type { Store } from "../state/store.js";
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

/** Asks for a piece of text and puts the cursor's row on the next token that holds it. */
function findToken(store: Store): void {
  const box = document.createElement("dialog");
  box.className = "find";
  const form = document.createElement("form");
  form.method = "dialog";
  const label = document.createElement("label");
  label.textContent = "Find a token ";
  const input = document.createElement("input");
  input.type = "search";
  label.append(input);
  form.append(label);
  box.append(form);
  document.body.append(box);
  const close = (): void => box.remove();
  box.addEventListener("close", close);
  form.addEventListener("submit", () => {
    const k = store.kind.peek();
    const wanted = input.value.trim().toLowerCase();
    if (!k || !wanted) return;
    const { query } = store.choice.peek();
    for (let n = 1; n <= k.queries; n++) {
      const i = (Math.max(-1, query) + n) % k.queries;
      if (tokenLabel(k.rows[i]!).toLowerCase().includes(wanted)) return chooseCell(store, i, Math.min(i, k.keys - 1));
    }
    store.notice.value = { tone: "info", text: `No token holds “${input.value}”.` };
  });
  box.showModal();
}
