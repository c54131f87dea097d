/** @file How the explorer's page is built: no code from elsewhere, nothing inline (the page's CSP forbids it). */
import { defineConfig } from "vite";
import { fromHere, outDir, preloaded, together, withEffects } from "./build.js";

const elements = withEffects(/src\/explorer\/(views|labs|chapters|engine|app)\/.*\.ts/);

export default defineConfig({
  root: fromHere("."),
  base: "./",
  plugins: [elements, preloaded(/^assets\/(page|worker)-/, /\.woff2$/)],
  build: {
    outDir,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false, // what comes first is listed in the page; what comes later is a file or two
    manifest: true,
    rolldownOptions: {
      output: {
        chunkFileNames: "assets/[name]-[hash].js",
        codeSplitting: {
          groups: [
            { ...together("page", /explorer\/app\/page\.ts$/), priority: 2 },
            together("pictures", /explorer\/(views\/(picture-view|legend)|scene\/heatmap)\.ts$/),
          ],
        },
      },
    },
  },
  worker: {
    format: "es",
    plugins: () => [elements],
    rolldownOptions: {
      // Models are read on demand where the engine runs in a page of one file; here they are wanted at once.
      checks: { ineffectiveDynamicImport: false },
      external: ["onnxruntime-web", /^node:/], // the runtime is handed to `openOnnx`; the server serves it from node_modules
      output: {
        entryFileNames: "assets/worker-[hash].js",
        chunkFileNames: "assets/engine-[name]-[hash].js",
        codeSplitting: { groups: [together("start", /explorer\/engine\/serve\.ts$/)] },
      },
    },
  },
});
