/** @file Finds a piece of text and puts the cursor's row on the token where it begins; asked again, on the next one. */
import { tokensHolding } from "../scene/tokens.js";
import { chooseCell } from "../state/actions.js";
import type { Store } from "../state/store.js";

export function findToken(store: Store): void {
  const box = document.createElement("dialog");
  box.className = "find";
  const form = document.createElement("form");
  form.method = "dialog";
  const label = document.createElement("label");
  label.textContent = "Find a token ";
  const input = document.createElement("input");
  input.type = "search";
  label.append(input);
  const count = document.createElement("p");
  count.className = "soft small";
  count.setAttribute("role", "status");
  form.append(label, count);
  box.append(form);
  document.body.append(box);
  const found = (): number[] => tokensHolding(store.kind.peek()?.rows ?? [], input.value.trim());
  const say = (): void => {
    const n = found().length;
    count.textContent = input.value.trim() === "" ? "Part of the text; it may run over several tokens." : n === 0 ? "nowhere in this text" : `${n.toLocaleString("en")} ${n === 1 ? "place" : "places"} · Enter goes to the next`;
  }; // biome-ignore format: one sentence
  input.addEventListener("input", say);
  box.addEventListener("close", () => box.remove());
  form.addEventListener("submit", () => {
    const k = store.kind.peek();
    if (!k || input.value.trim() === "") return;
    const places = found();
    const { query } = store.choice.peek();
    const next = places.find((i) => i > query) ?? places[0];
    if (next !== undefined) chooseCell(store, next, Math.min(next, k.keys - 1));
    else store.notice.value = { tone: "info", text: `The text does not hold “${input.value}”.` };
  });
  say();
  box.showModal();
}
