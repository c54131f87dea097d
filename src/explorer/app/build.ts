/** @file What the builds of the page, the element and the reader's worker share. */
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

export const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Where all of it goes. */
export const outDir = fromHere("../../../dist/explorer/app");

/** package.json says that modules have no side effects, which holds for the library; these define elements, or listen. */
export function withEffects(files: RegExp): Plugin {
  return {
    name: "with-effects",
    transform: { filter: { id: files }, handler: (code) => ({ code, map: null, moduleSideEffects: true }) },
  };
}

/** An import of some files gets another module. */
export function instead(source: string, importer: RegExp, file: string): Plugin {
  return {
    name: `instead-of-${source}`,
    enforce: "pre",
    resolveId: (asked, from) => (asked === source && from && importer.test(from) ? file : null),
  };
}

/** What `entry` imports, and not what is imported later, in one file instead of twenty. */
export const together = (name: string, entry: RegExp) => ({ name, test: entry, includeDependenciesRecursively: true });

/** Has the browser fetch what is needed next while it still reads the page: modules, and fonts, by the beginning or end of their names. */
export function preloaded(modules: RegExp, fonts: RegExp): Plugin {
  return {
    name: "preloaded",
    enforce: "post",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) => {
        const files = Object.keys(bundle ?? {}).sort();
        const link = (attrs: Record<string, string | boolean>) => ({ tag: "link", attrs, injectTo: "head" as const });
        return [
          ...files.filter((f) => modules.test(f)).map((f) => link({ rel: "modulepreload", href: `./${f}` })),
          ...files
            .filter((f) => fonts.test(f))
            .map((f) => link({ rel: "preload", as: "font", crossorigin: true, href: `./${f}` })),
        ];
      },
    },
  };
}
