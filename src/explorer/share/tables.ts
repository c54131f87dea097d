/** @file The weights of a head or a layer as text for other programs. */
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { groupLabel } from "../scene/tokens.js";

/** Fields quoted where they need it; one that a spreadsheet would run as a formula is led by an apostrophe. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows look, columns are looked at; a pair that may not attend is an empty field. */
export function csv(k: KindView, maps: LayerMaps, head: number): string {
  const [R, C] = [maps.rows.length, maps.columns.length];
  const lines = [["query", ...maps.columns.map((g) => csvField(groupLabel(k.columns, g)))].join(",")];
  for (let i = 0; i < R; i++) {
    const row = maps.values.subarray((head * R + i) * C, (head * R + i + 1) * C);
    lines.push(
      [csvField(groupLabel(k.rows, maps.rows[i]!)), ...Array.from(row, (w) => (Number.isNaN(w) ? "" : String(w)))].join(
        ",",
      ),
    );
  }
  return `${lines.join("\r\n")}\r\n`;
}

export function json(k: KindView, maps: LayerMaps, about: object): string {
  const [R, C] = [maps.rows.length, maps.columns.length];
  const heads = Array.from({ length: maps.heads }, (_, h) =>
    Array.from({ length: R }, (_, i) =>
      Array.from(maps.values.subarray((h * R + i) * C, (h * R + i + 1) * C), (w) => (Number.isNaN(w) ? null : w)),
    ),
  );
  return `${JSON.stringify({ ...about, kind: maps.kind, layer: maps.layer, queries: maps.rows.map((g) => groupLabel(k.rows, g)), keys: maps.columns.map((g) => groupLabel(k.columns, g)), mayNotAttend: null, heads })}\n`;
}
