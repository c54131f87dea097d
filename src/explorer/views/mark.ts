/**
 * @file The sign of the chosen one among a thousand like it: the others are not made again, only the sign moves. What may
 * carry it says so by `data-mark="layer.head"`.
 */
export function mark(root: ParentNode, layer: number, head: number): void {
  for (const old of root.querySelectorAll("[data-here]")) set(old, false);
  for (const now of root.querySelectorAll(`[data-mark="${layer}.${head}"]`)) set(now, true);
}

function set(element: Element, here: boolean): void {
  element.toggleAttribute("data-here", here);
  if (element.hasAttribute("aria-pressed")) element.setAttribute("aria-pressed", String(here));
  if (element.hasAttribute("tabindex")) element.setAttribute("tabindex", here ? "0" : "-1");
}
